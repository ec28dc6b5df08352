from callflows.flows.python_flow import flow

acme = flow("acme", numbers=["+12015550199"])
