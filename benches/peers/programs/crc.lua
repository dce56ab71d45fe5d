local rounds = ...
local crcs = {}
for i = 0, 255 do
    local c = i
    for _ = 1, 8 do
        if c & 1 == 1 then
            c = (c >> 1) ~ 0xEDB88320
        else
            c = c >> 1
        end
    end
    crcs[i] = c
end
local data = {}
for i = 0, 9999 do
    data[i] = i & 255
end
local crc = 0xFFFFFFFF
for _ = 1, rounds do
    for i = 0, 9999 do
        crc = (crc >> 8) ~ crcs[(crc ~ data[i]) & 255]
    end
end
return crc ~ 0xFFFFFFFF
