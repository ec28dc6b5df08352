"""An installation: set up at Opentact by a plan that is shown first (``connecting``), and examined (``doctor``)."""
