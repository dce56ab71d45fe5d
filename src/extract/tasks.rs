//! What is left to do, shared by the threads that do it: a stack, so that a
//! tree is gone through depth first and little of it waits at any time.

use parking_lot::{Condvar, Mutex};

/// A stack of tasks that ends when it is empty and nobody may add to it.
#[derive(Debug)]
pub(super) struct Tasks<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: Vec<T>,
    /// Threads at work on a task: each may still add others.
    busy: usize,
}

impl<T> Tasks<T> {
    /// With a first task.
    pub(super) fn new(first: T) -> Self {
        let state = State { waiting: vec![first], busy: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Adds tasks; the last is taken first.
    pub(super) fn add(&self, tasks: Vec<T>) {
        if !tasks.is_empty() {
            self.state.lock().waiting.extend(tasks);
            self.changed.notify_all();
        }
    }

    /// Does tasks until none is left and none can come.
    pub(super) fn work(&self, mut each: impl FnMut(T)) {
        while let Some(task) = self.take() {
            each(task);
            let mut state = self.state.lock();
            state.busy -= 1;
            if state.busy == 0 && state.waiting.is_empty() {
                self.changed.notify_all();
            }
        }
    }

    fn take(&self) -> Option<T> {
        let mut state = self.state.lock();
        loop {
            if let Some(task) = state.waiting.pop() {
                state.busy += 1;
                return Some(task);
            }
            if state.busy == 0 {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn all_tasks_are_done_also_those_that_others_add() {
        let done = AtomicU32::new(0);
        let tasks = Tasks::new(5_u32);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    tasks.work(|depth| {
                        done.fetch_add(1, Ordering::Relaxed);
                        tasks.add(vec![depth - 1; if depth > 1 { 3 } else { 0 }]);
                    });
                });
            }
        });
        assert_eq!(done.into_inner(), 1 + 3 + 9 + 27 + 81);
    }
}
