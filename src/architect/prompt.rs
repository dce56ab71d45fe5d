//! The conversation of one iteration: who the architect is, the form of its
//! answer, the state; and what is said when an answer holds no action.

use super::action::cut;
use crate::llm::{Message, Role};

/// Who the architect is, unless its cartridge says otherwise.
pub const SYSTEM: &str = "\
You are the architect of pxOS, a small operating system that lives in a picture. \
Its boot sequence runs modules, stage by stage, on the PXI machine. \
You improve it in small, careful steps: one action at a time, each of which is checked by \
booting the system and taken back when it does harm.";

/// The form of an answer, in full.
const FORMAT: &str = "\
Answer with exactly one JSON object and nothing else. It is one of:
{\"action\":\"write_module\",\"path\":\"/apps/NAME\",\"language\":\"python\",\"source\":\"...\",\"note\":\"why\"}
  compiles the source and puts the module at the path, under /apps, /boot, /lib or /system; \
\"replace\":true if one is there. language: \"python\" or \"asm\".
{\"action\":\"compile\",\"path\":\"/apps/NAME\"}  compiles the source that is kept for a module anew
{\"action\":\"add_to_pixelfs\",\"path\":\"/data/NAME\",\"text\":\"...\",\"type\":\"data\"}  \
a text under /data, /config or /worlds; type: data, config, world
{\"action\":\"edit_sequence\",\"edits\":[{\"op\":\"add\",\"path\":\"/apps/NAME\",\"name\":\"for people\",\
\"after\":\"/boot/X\",\"required\":false}]}
  op: add, remove {path}, move {path, after}, fuel {path, fuel}. Required stages stay.
{\"action\":\"read_file\",\"path\":\"/src/apps/NAME.py\"}  its text stands in the next state
{\"action\":\"boot_dry_run\"}  {\"action\":\"plan_only\",\"note\":\"...\"}  {\"action\":\"done\",\"note\":\"...\"}
Every action may have a \"note\". There are no other fields and no shell commands.
";

/// What the Python subset is, in short.
const SUBSET: &str = "\
Python here is a subset: int, u32, bool, str, bytes, bytearray, list[int] of fixed length; \
while, for x in range(...), if, def at module level with annotated parameters, global, print(...). \
No import but `from pxi import *`, no classes, dicts, exceptions, comprehensions, floats. \
Calls: write(text), log(text, level, event), read(path, buffer, offset), resolve(path), stat(path, fields), \
list_names(path, buffer, skip), time(), random(), err(), exit(status). \
A module must end by itself, with status 0.
Example: from pxi import *\\nbuffer = bytearray(256)\\nn = read(\"/data/motd\", buffer)\\nif err() == 0:\\n    \
write(view(buffer, 0, n))\\nexit(0)\\n
";

/// The form of an answer, for models with little room.
const SHORT: &str = "\
Answer with one JSON object only. One of:
{\"action\":\"write_module\",\"path\":\"/apps/NAME\",\"language\":\"python\",\"source\":\"print(1)\\n\"}
{\"action\":\"edit_sequence\",\"edits\":[{\"op\":\"add\",\"path\":\"/apps/NAME\",\"name\":\"NAME\"}]}
{\"action\":\"plan_only\",\"note\":\"...\"}
{\"action\":\"done\"}
";

/// Bytes of a token, on the careful side: code has short ones.
const BYTES_A_TOKEN: usize = 3;
/// Contexts smaller than this get the short form.
const SMALL: u32 = 4096;
/// The smallest context that is tried.
pub const LEAST_CONTEXT: u32 = 1024;
/// Bytes of its own bad answer that a model is shown.
const MAX_OWN: usize = 1500;

/// How much a model can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Tokens of the whole conversation, the answer included.
    pub context: u32,
    /// Tokens of the answer.
    pub answer: u32,
}

impl Room {
    /// The room in a context; an answer gets a third of it at most.
    pub fn new(context: u32, answer: u32) -> Self {
        let context = context.max(LEAST_CONTEXT);
        Self { context, answer: answer.clamp(1, context / 3) }
    }

    /// Half as much; `None` when that is too little.
    pub fn halved(self) -> Option<Self> {
        let context = self.context / 2;
        (context >= LEAST_CONTEXT).then(|| Self::new(context, self.answer))
    }

    /// Bytes that the conversation before the answer may have.
    fn bytes(self) -> usize {
        (self.context - self.answer) as usize * BYTES_A_TOKEN
    }
}

/// The instructions, as long as there is room for; at most half of it.
fn system(own: &str, room: Room) -> String {
    let (form, subset) = match room.context < SMALL {
        true => (SHORT, ""),
        false => (FORMAT, SUBSET),
    };
    let rest = (room.bytes() / 2).saturating_sub(form.len() + subset.len());
    format!("{}\n\n{form}{subset}", cut(own, rest))
}

/// The conversation that asks for an action; `state` gives the state in so many bytes.
pub fn conversation(own: &str, room: Room, state: &dyn Fn(usize) -> String) -> Vec<Message> {
    let system = system(own, room);
    // What is left when a correction is to be said as well.
    let left = room.bytes().saturating_sub(system.len() + room.bytes() / 6);
    let state = state(left);
    vec![Message::new(Role::System, system), Message::new(Role::User, state)]
}

/// Adds a bad answer and what was wrong with it; earlier ones go, they take room.
pub fn correct(messages: &mut Vec<Message>, answer: &str, error: &str, room: Room) {
    messages.truncate(2);
    let most = (room.bytes() / 12).min(MAX_OWN);
    messages.push(Message::new(Role::Assistant, cut(answer, most)));
    let error = cut(error, most);
    let text =
        format!("That was no valid action: {error}\nAnswer again, with one JSON object only.");
    messages.push(Message::new(Role::User, text));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_fits_its_room() {
        for context in [1024, 2048, 4096, 8192, 32768] {
            let room = Room::new(context, 2048);
            let mut messages = conversation(SYSTEM, room, &|most| "x".repeat(most));
            correct(&mut messages, &"y".repeat(100_000), &"z".repeat(9000), room);
            correct(&mut messages, &"y".repeat(100_000), &"z".repeat(9000), room);
            assert_eq!(messages.len(), 4);
            let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
            let most = (context - room.answer) as usize * BYTES_A_TOKEN;
            assert!(bytes <= most + 200, "{context}: {bytes} of {most}");
            assert!(messages[0].content.contains("\"action\""));
            assert!(messages[1].content.len() > 200, "{context}");
        }
        assert_eq!(Room::new(2048, 100).halved().unwrap().context, 1024);
        assert_eq!(Room::new(1024, 100).halved(), None);
    }
}
