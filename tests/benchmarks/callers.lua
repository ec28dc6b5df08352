-- Every request is another caller, with a name that no cache has seen.
local n = 0
request = function()
  n = n + 1
  local from = string.format("+1201%07d", n % 10000000)
  return wrk.format("GET", "/call?token=benchmark&from=%2B" .. from:sub(2) .. "&to=12015550123")
end
