local rounds = ...
local a, b = {}, {}
for i = 0, 9999 do
    a[i], b[i] = i * 7, 0
end
for _ = 1, rounds do
    for i = 0, 9999 do
        b[i] = a[i]
    end
end
return b[9999] + b[1]
