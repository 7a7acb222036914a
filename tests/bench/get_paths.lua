-- Asks for the addresses that a file has in its lines, again and again, each thread from another one on.
dofile("tests/bench/telling.lua")

function init(arguments)
  paths = {}
  refused = 0
  unwanted = 0
  for path in io.lines(arguments[1]) do
    table.insert(paths, path)
  end
  sent = number * math.floor(#paths / 2)
end

function request()
  local path = paths[1 + sent % #paths]
  sent = sent + 1
  return wrk.format("GET", path)
end

-- wrk itself counts those from 400 on as failed.
function response(status)
  if status == 503 then
    refused = refused + 1
  elseif status ~= 200 and status < 400 then
    unwanted = unwanted + 1
  end
end
