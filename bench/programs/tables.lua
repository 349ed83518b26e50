-- Lua tables, closures and strings: a small expression language is built, simplified and printed, again and again.
local state = 1
local function below(limit)
  state = (state * 1103515245 + 12345) % 2147483648
  return (state >> 8) % limit
end

local function build(depth)
  if depth == 0 then
    return below(3) == 0 and { kind = "name", text = "v" .. below(50) } or { kind = "number", value = below(10) }
  end
  local operators = { "+", "*", "-" }
  return { kind = operators[1 + below(3)], left = build(depth - 1), right = build(depth - 1) }
end

local function simplify(node)
  if not node.left then return node end
  local left, right = simplify(node.left), simplify(node.right)
  if left.kind == "number" and right.kind == "number" then
    local value = node.kind == "+" and left.value + right.value or node.kind == "*" and left.value * right.value
      or left.value - right.value
    return { kind = "number", value = value % 1000 }
  end
  return { kind = node.kind, left = left, right = right }
end

local function show(node)
  if node.kind == "number" then return tostring(node.value) end
  if node.kind == "name" then return node.text end
  return "(" .. show(node.left) .. node.kind .. show(node.right) .. ")"
end

local seen, total = {}, 0
for round = 1, tonumber(arg[1]) do
  local text = show(simplify(build(13)))
  seen[#seen % 20 + 1] = text:gsub("v(%d+)", function(digits) return "w" .. digits end)
  total = (total * 31 + #text + round) % 1000000007
end
print(total, #seen)
