from callflows import Gather, Response, Say, flow

returns = flow("returns", numbers=["+12015550124"])


@returns.node
async def start(turn):
    if turn.digits == "1":
        return Say("You pressed one.")
    if turn.digits:
        return Response(Say("Press a key."), Gather(dtmf_length=1, url=turn.url("pressed")), Say("Goodbye."))
