local rounds = ...
local count
for _ = 1, rounds do
    local composite = {}
    for i = 0, 9999 do
        composite[i] = false
    end
    count = 0
    for i = 2, 9999 do
        if not composite[i] then
            count = count + 1
            for j = i + i, 9999, i do
                composite[j] = true
            end
        end
    end
end
return count
