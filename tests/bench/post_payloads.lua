-- Payloads for wrk: a hundred points each, and an instant that no other payload of any run has.
dofile("tests/bench/telling.lua")

local LISTS = 8
local POINTS = 100
local START = 1556704800 -- 2019-05-01, 10:00 UTC
local THREAD_SECONDS = 1e8 -- more than a thread sends payloads, one for each second
local lists = {}

local function make_list()
  local numbers = {}
  for place = 1, POINTS do
    local digits = place % 4 == 0 and "%.16g" or "%.17g"
    numbers[place] = string.format(digits, 0.2 + 3.4 * math.random())
  end
  return table.concat(numbers, ",")
end

function init(arguments)
  run = tonumber(arguments[1])
  sent = 0
  unwanted = 0
  math.randomseed(1)
  for place = 1, LISTS do
    lists[place] = make_list()
  end
end

function request()
  local second = os.date("!%Y-%m-%dT%H:%M:%S", START + number * THREAD_SECONDS + sent)
  local list = lists[1 + sent % LISTS]
  sent = sent + 1
  local body = string.format('{"time_stamp":"%s.%06d-04:00","data":[%s]}', second, run, list)
  return wrk.format("POST", "/dropzone", { ["Content-Type"] = "application/json" }, body)
end

-- wrk itself counts those from 400 on.
function response(status)
  if status ~= 202 and status < 400 then
    unwanted = unwanted + 1
  end
end
