//! Random expressions of the Python subset, well typed, as functions.

/// A function and what to call it with.
pub struct Case {
    pub name: String,
    pub function: String,
    pub args: Vec<[i64; 4]>,
    pub signed: bool,
}

/// A generator of numbers: xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.next(from.len() as u64) as usize]
    }
}

/// So many functions of a and b (int), c (u32), and d (bool).
pub fn generate(seed: u64, count: usize) -> Vec<Case> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    (0..count)
        .map(|n| {
            let name = format!("e{n}");
            let kind = random.next(3);
            let (ty, expr) = match kind {
                0 => ("int", int(&mut random, 4)),
                1 => ("u32", unsigned(&mut random, 4)),
                _ => ("bool", truth(&mut random, 3)),
            };
            let function = format!(
                "def {name}(a: int, b: int, c: u32, d: bool) -> {ty}:\n    return {expr}\n"
            );
            let args = (0..6).map(|_| args(&mut random)).collect();
            Case { name, function, args, signed: ty == "int" }
        })
        .collect()
}

fn args(random: &mut Random) -> [i64; 4] {
    let signed = |random: &mut Random| match random.next(4) {
        0 => random.next(20) as i64 - 10,
        1 => random.next(100_000) as i64 - 50_000,
        2 => [i32::MIN, i32::MAX, 0, -1, 1, 1 << 30][random.next(6) as usize].into(),
        _ => i64::from(random.next(1 << 32) as u32 as i32),
    };
    let (a, b) = (signed(random), signed(random));
    let c = match random.next(3) {
        0 => random.next(40),
        1 => random.next(1 << 32),
        _ => [0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF][random.next(5) as usize],
    };
    [a, b, c as i64, random.next(2) as i64]
}

fn small(random: &mut Random) -> String {
    random.next(12).to_string()
}

fn int(random: &mut Random, depth: u32) -> String {
    if depth == 0 {
        return match random.next(6) {
            0 => (random.next(300) as i64 - 100).to_string(),
            1 => "(c & 0xFFFF)".into(),
            2 => "(c >> 1)".into(),
            3 => "int(d)".into(),
            n => ["a", "b"][n as usize % 2].into(),
        };
    }
    let next = depth - 1;
    let (x, y) = (int(random, next), int(random, next));
    match random.next(16) {
        0..=4 => format!("({x} {} {y})", random.pick(&["+", "-", "*", "+", "-"])),
        5 => format!("({x} {} {y})", random.pick(&["//", "%"])),
        6 => format!("({x} {} {y})", random.pick(&["&", "|", "^"])),
        7 => format!("({x} {} {})", random.pick(&["<<", ">>", ">>"]), small(random)),
        8 => format!("({x} {} ({y} & 31))", random.pick(&["<<", ">>"])),
        9 => format!("({}{x})", random.pick(&["-", "~", "+"])),
        10 => format!("({x} if {} else {y})", truth(random, next)),
        11 => format!("{}({x}, {y})", random.pick(&["min", "max"])),
        12 => format!("(({} ) & 0x{:X})", wrapping(random, next), random.next(1 << 31)),
        13 => format!("({} % {})", wrapping(random, next), 1u64 << random.next(31)),
        14 => format!("T[{x} & 7]"),
        _ => format!("({x} {} {y})", random.pick(&["and", "or"])),
    }
}

fn unsigned(random: &mut Random, depth: u32) -> String {
    if depth == 0 {
        return match random.next(4) {
            0 => random.next(1 << 32).to_string(),
            1 => "(a & 0xFF)".into(),
            _ => "c".into(),
        };
    }
    let next = depth - 1;
    // One side at least is a u32 for certain.
    let (x, y) = (format!("u32({})", unsigned(random, next)), unsigned(random, next));
    match random.next(9) {
        0 | 1 => format!("({x} {} {y})", random.pick(&["+", "-", "*"])),
        2 => format!("({x} {} {y})", random.pick(&["//", "%"])),
        3 => format!("({x} {} {y})", random.pick(&["&", "|", "^"])),
        4 => format!("({x} {} {})", random.pick(&["<<", ">>", ">>"]), small(random)),
        5 => format!("({x} >> (c & 31))"),
        6 => format!("({x} if {} else u32({y}))", truth(random, next)),
        7 => format!("u32({})", int(random, next)),
        _ => format!("({} & 0xFFFFFFFF)", wrapping(random, next)),
    }
}

/// What only matters modulo 2^32.
fn wrapping(random: &mut Random, depth: u32) -> String {
    if depth == 0 {
        return random.pick(&["a", "b", "c", "d", "1103515245", "-7", "0xFFFFFFFFFF"]).into();
    }
    let next = depth - 1;
    let (x, y) = (wrapping(random, next), wrapping(random, next));
    match random.next(8) {
        0..=3 => format!("({x} {} {y})", random.pick(&["+", "-", "*", "^", "|", "&"])),
        4 => format!("({x} << {})", random.next(40)),
        5 => format!("({x} << (c & 63))"),
        6 => format!("({}{x})", random.pick(&["-", "~"])),
        _ => int(random, next),
    }
}

fn truth(random: &mut Random, depth: u32) -> String {
    if depth == 0 {
        return random.pick(&["d", "True", "False", "a < b", "c > 5", "a == 0"]).into();
    }
    let next = depth - 1;
    match random.next(7) {
        0 | 1 => {
            let op = random.pick(&["<", "<=", ">", ">=", "==", "!="]);
            format!("({} {op} {})", int(random, next), int(random, next))
        }
        2 => {
            let op = random.pick(&["<", "<=", ">", ">=", "==", "!="]);
            format!("(u32({}) {op} {})", unsigned(random, next), unsigned(random, next))
        }
        3 => format!("({} and {})", truth(random, next), truth(random, next)),
        4 => format!("({} or {})", truth(random, next), truth(random, next)),
        5 => format!("(not {})", truth(random, next)),
        _ => format!("({} < {} <= {})", int(random, next), int(random, next), int(random, next)),
    }
}

/// A function with so many variables, loops and calls; it prints what they are at last.
pub fn program(seed: u64, variables: usize) -> String {
    let mut random = Random((seed + 7).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut text = format!("def g{seed}(x, y):\n    return (x * 3 + y) % 997\n\n");
    text.push_str(&format!("def p{seed}(n: int, data: bytes):\n    a = [0] * 16\n"));
    for v in 0..variables {
        text.push_str(&format!("    v{v} = {}\n", random.next(1000)));
    }
    let mut writer = Writer { random, variables, seed, loops: 0 };
    for _ in 0..12 {
        writer.statement(1, &mut text);
    }
    let all: Vec<_> = (0..variables).map(|v| format!("v{v}")).collect();
    text.push_str(&format!("    print({})\n", all.join(", ")));
    text.push_str("    for x in a:\n        print(x, end=' ')\n    print()\n\n");
    text.push_str(&format!("p{seed}({seed}, b'some bytes')\n\n"));
    text
}

struct Writer {
    random: Random,
    variables: usize,
    seed: u64,
    loops: usize,
}

impl Writer {
    fn variable(&mut self) -> String {
        format!("v{}", self.random.next(self.variables as u64))
    }

    fn statement(&mut self, depth: usize, text: &mut String) {
        let indent = "    ".repeat(depth);
        let (x, y, z) = (self.variable(), self.variable(), self.variable());
        let deeper = depth < 4;
        let line = match self.random.next(12) {
            0 | 1 if deeper => {
                self.loops += 1;
                let i = format!("i{}", self.loops);
                let range = self.random.pick(&["3", "0", "1, 4", "5, 0, -2", "0, 9, 4"]);
                text.push_str(&format!("{indent}for {i} in range({range}):\n"));
                text.push_str(&format!("{indent}    {x} = ({y} + {i} * 7) % 10007\n"));
                self.block(depth + 1, text);
                return;
            }
            2 if deeper => {
                self.loops += 1;
                let w = format!("w{}", self.loops);
                text.push_str(&format!("{indent}{w} = {x} % 5\n{indent}while {w} > 0:\n"));
                text.push_str(&format!("{indent}    {w} -= 1\n"));
                self.block(depth + 1, text);
                text.push_str(&format!("{indent}    if {y} % 11 == 3:\n{indent}        break\n"));
                return;
            }
            3 if deeper => {
                text.push_str(&format!(
                    "{indent}if {x} < {y} or {z} % 3 == 1 and not {x} == {z}:\n"
                ));
                self.block(depth + 1, text);
                text.push_str(&format!("{indent}else:\n"));
                self.block(depth + 1, text);
                return;
            }
            4 => format!("{x} = g{}({y}, {z})", self.seed),
            5 => format!("a[{x} % 16] = {y}"),
            6 => format!("{x} = a[{y} % 16] + data[{z} % 10] + n"),
            7 => format!("{x}, {y} = {y}, {z}"),
            8 => format!("{x} = {y} if {z} > {x} else g{}({x}, {x} % 7)", self.seed),
            9 => format!("a[{x} % 16 - 16] += {y} % 100"),
            10 => format!("{x} = (({y} ^ {z}) * 31 + ({x} << 3)) % 10007"),
            _ => format!("{x} = max({y}, {z}) - min({y}, {z}) + len(data)"),
        };
        text.push_str(&format!("{indent}{line}\n"));
    }

    fn block(&mut self, depth: usize, text: &mut String) {
        for _ in 0..1 + self.random.next(4) {
            self.statement(depth, text);
        }
    }
}
