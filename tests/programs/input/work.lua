-- Tables, strings, closures, coroutines, and full collections.
local size = tonumber(os.getenv("WORK_SIZE") or "20")
local seed = 42
local function random(n) seed = (seed * 1103515245 + 12345) % 2147483648; return seed % n + 1 end
local words, counts = {}, {}
for i = 1, size * 2000 do
  local w = string.rep(string.char(96 + random(26)), random(9)) .. random(300)
  words[i] = w; counts[w] = (counts[w] or 0) + 1
end
local keys = {}
for k in pairs(counts) do keys[#keys + 1] = k end
table.sort(keys, function(a, b) if counts[a] ~= counts[b] then return counts[a] > counts[b] end return a < b end)
for i = 1, 5 do print(keys[i], counts[keys[i]]) end
local text = table.concat(words, " ")
print(#text, select(2, text:gsub("a+%d", "<%0>")), #text:upper():reverse())
local function tree(d) if d == 0 then return {} end return { tree(d - 1), tree(d - 1), d = d } end
local function count(t) return 1 + (t[1] and count(t[1]) + count(t[2]) or 0) end
local total = 0
for _ = 1, size do total = total + count(tree(11)) end
print(total)
local threads = {}
for i = 1, 500 do threads[i] = coroutine.wrap(function() for n = 1, 10 do coroutine.yield(string.rep("y", n * i)) end end) end
local sum = 0
for n = 1, 10 do for i = 1, 500 do sum = sum + #threads[i]() end end
print(sum)
local s = "" for i = 1, 3000 do s = s .. i end
print(#s)
collectgarbage("collect")
print(pcall(error, { code = 1 }) == false, select(2, pcall(error, "message")))
io.stderr:write("a line for stderr\n")
print(pcall(string.rep, "x", 1 << 62))
