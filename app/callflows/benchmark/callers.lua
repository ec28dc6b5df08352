-- Every request is another caller, with a name that no cache has seen. With an argument, the call entity is posted.
local n, body = 0, nil
local headers = { ["Content-Type"] = "application/json" }
init = function(args)
  if args[1] then body = io.open(args[1]):read("*a") end
end
request = function()
  n = n + 1
  local from = string.format("1201%07d", n % 10000000)
  if body then return wrk.format("POST", "/call?token=benchmark", headers, (body:gsub("12015550999", from))) end
  return wrk.format("GET", "/call?token=benchmark&from=%2B" .. from .. "&to=12015550123")
end
