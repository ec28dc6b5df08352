"""An Opentact to rehearse against, imitated from its documentation: REST, events, the requests to our URLs, callers, faults."""
