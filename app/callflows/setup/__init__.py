"""Setup of an installation at Opentact (``connect``) and diagnosis (``doctor``)."""
