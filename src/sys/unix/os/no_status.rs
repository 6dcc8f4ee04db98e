//! How an open descriptor behaves: these systems are not asked.

use super::Raw;
use crate::diagnostics::descriptor::Descriptor;

/// Nothing is known, so nothing is said.
pub(crate) fn describe(_raw: Raw) -> Descriptor {
    Descriptor::default()
}
