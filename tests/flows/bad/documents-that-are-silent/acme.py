from callflows import Dial, Response, Turn, flow

acme = flow("acme", numbers=["+12015550125"])


@acme.node
async def start(turn: Turn) -> Response:
    if turn.caller.name:
        return Response(Dial("+12015550188"))
    return Response()
