local n = ...
local a, seed = {}, 1
for i = 0, n - 1 do
    seed = (seed * 1103515245 + 12345) & 0xFFFFFFFF
    a[i] = seed >> 16
end
for last = n - 1, 1, -1 do
    for i = 0, last - 1 do
        local x, y = a[i], a[i + 1]
        if x > y then
            a[i], a[i + 1] = y, x
        end
    end
end
local sum = 0
for i = 0, n - 1 do
    sum = (sum * 31 + a[i]) & 0xFFFFFFFF
end
return sum
