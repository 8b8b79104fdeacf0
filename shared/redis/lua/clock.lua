-- Part of every script that reckons with time. Redis's clock is the one that all processes share; nothing else asks for it.

local clock = redis.call('TIME')
-- Milliseconds since 1970.
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
