"""The parts of a server that a flow needs."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(slots=True)
class FlowNeeds:
    """The parts of a server, and the facts of a call, that a flow needs. The compilers of its steps set them."""

    mail: bool = False
    """The flow sends mails."""
    network: bool = False
    """The flow sends requests to other servers."""
    worker: bool = False
    """Parts of the flow run in worker processes."""
    app: bool = False
    """An app answers each turn (``twiml``): without the app, a rehearsal has nothing but the fallback."""
    calls_today: bool = False
    """The flow uses the number of today's calls from a caller."""
    current_time: bool = False
    """The flow uses the current time."""
