//! notify: its inotify thread sees files come, change and go.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};

use downstream::{assert_polls_are_ours, run, step, Folder};
use notify::event::{EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

const FILES: usize = 100;

fn main() {
    run("notify", || {
        let folder = Folder::new("notify");
        let (to_us, events) = mpsc::channel();
        let mut watcher =
            RecommendedWatcher::new(to_us, notify::Config::default()).expect("a watcher");
        watcher
            .watch(folder.path(), RecursiveMode::Recursive)
            .expect("a watch");
        assert_polls_are_ours();

        step("100 files, one after the other");
        for number in 0..FILES {
            let path = folder.path().join(format!("file-{number}"));
            fs::write(&path, "").expect("a file");
            wait_for(&events, &path, EventKind::is_create);
            fs::write(&path, "more").expect("a change");
            wait_for(&events, &path, is_data);
            fs::remove_file(&path).expect("a removal");
            wait_for(&events, &path, EventKind::is_remove);
        }

        step("100 files at once");
        let paths: Vec<PathBuf> = (0..FILES)
            .map(|number| folder.path().join(format!("burst-{number}")))
            .collect();
        for path in &paths {
            fs::write(path, "").expect("a file");
        }
        for path in &paths {
            wait_for(&events, path, EventKind::is_create);
        }

        step("a rename, and a file in a new folder");
        let renamed = folder.path().join("renamed");
        fs::rename(&paths[0], &renamed).expect("a rename");
        wait_for(&events, &renamed, |kind| {
            matches!(kind, EventKind::Modify(ModifyKind::Name(_)))
        });
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).expect("a folder");
        wait_for(&events, &inner, EventKind::is_create);

        step("silent once unwatched, and ends on drop");
        watcher.unwatch(folder.path()).expect("no watch");
        drop(watcher);
        // The thread has dropped its end of the channel: it was woken and is gone.
        while let Ok(event) = events.recv() {
            event.expect("no error");
        }
    });
}

fn is_data(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Modify(ModifyKind::Data(_)))
}

/// Takes events until one of this kind names `path`.
#[track_caller]
fn wait_for(
    events: &Receiver<notify::Result<Event>>,
    path: &Path,
    kind: impl Fn(&EventKind) -> bool,
) {
    loop {
        let event = events.recv().expect("a live watcher").expect("no error");
        if kind(&event.kind) && event.paths.iter().any(|changed| changed == path) {
            return;
        }
    }
}
