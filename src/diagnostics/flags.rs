//! Shows a set of bits by their names.

use std::fmt;

/// The names of the bits that are set, with `separator` between them.
pub(crate) struct Flags<'a> {
    bits: u32,
    names: &'a [(u32, &'a str)],
    separator: &'a str,
}

impl<'a> Flags<'a> {
    pub(crate) const fn new(bits: u32, names: &'a [(u32, &'a str)], separator: &'a str) -> Self {
        Self {
            bits,
            names,
            separator,
        }
    }
}

impl fmt::Debug for Flags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (bit, name) in self.names {
            if self.bits & bit != 0 {
                write!(f, "{separator}{name}")?;
                separator = self.separator;
            }
        }
        if separator.is_empty() {
            f.write_str("(empty)")
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Flags;

    const NAMES: &[(u32, &str)] = &[(1, "ONE"), (4, "FOUR")];

    #[test]
    fn set_bits_are_named_in_order() {
        assert_eq!(format!("{:?}", Flags::new(5, NAMES, "|")), "ONE|FOUR");
    }

    #[test]
    fn no_bits_are_said_to_be_none() {
        assert_eq!(format!("{:?}", Flags::new(2, NAMES, "|")), "(empty)");
    }
}
