"""Apps that answer as Twilio asks them: their documents, and the requests that they get."""
