from app.flows.programs import flow

acme = flow("acme", numbers=["+12015550199"])
