"""An Opentact to rehearse against, imitated from its documentation: REST, events, requests to our URLs, callers, faults."""
