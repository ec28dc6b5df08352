"""Sets an installation up at Opentact (``connect``) and examines it (``doctor``)."""
