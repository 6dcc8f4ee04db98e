//! How long the tests wait for what must happen.

use std::time::Duration;

/// Only a failing test waits that long. A machine that is busy with other things may take seconds for
/// what it mostly does at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
