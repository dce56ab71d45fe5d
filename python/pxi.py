u32 = int
