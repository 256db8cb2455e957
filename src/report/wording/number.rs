//! Numbers as people read them.

/// A number and what it counts: `1 stall`, `2 stalls`.
#[must_use]
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A number with its digits in groups: `1,135,969`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes as people say them, rounded: `512 B`, `1.1 MB`.
#[must_use]
pub fn bytes(number: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000, "kB"), (1_000_000, "MB"), (1_000_000_000, "GB"), (1_000_000_000_000, "TB")];
    if number < 1_000 {
        return format!("{number} B");
    }
    let tenths = |size: u64| (u128::from(number) * 10 + u128::from(size) / 2) / u128::from(size);
    let fits = UNITS.into_iter().find(|(size, _)| tenths(*size) < 10_000);
    let (size, unit) = fits.unwrap_or((1_000_000_000_000, "TB"));
    format!("{}.{} {unit}", tenths(size) / 10, tenths(size) % 10)
}

/// A share in whole percent, rounded; 100 only where it is all, or more.
#[must_use]
pub fn percent(part: u64, whole: u64) -> u64 {
    let (part, whole) = (u128::from(part), u128::from(whole));
    let Some(rounded) = (part * 100 + whole / 2).checked_div(whole) else { return 0 };
    let rounded = u64::try_from(rounded).unwrap_or(u64::MAX);
    if part < whole { rounded.min(99) } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!([grouped(0), grouped(999), grouped(1_135_969)], ["0", "999", "1,135,969"]);
        assert_eq!([count(1, "link", "links"), count(2_000, "link", "links")], ["1 link", "2,000 links"]);
    }

    #[test]
    fn bytes_are_rounded_and_never_a_thousand_of_a_unit() {
        assert_eq!([bytes(999), bytes(1_135_969), bytes(42_000_000_000)], ["999 B", "1.1 MB", "42.0 GB"]);
        assert_eq!([bytes(1_150), bytes(999_949), bytes(999_950)], ["1.2 kB", "999.9 kB", "1.0 MB"]);
        assert_eq!(bytes(u64::MAX), "18446744.1 TB");
    }

    #[test]
    fn a_hundred_percent_is_all_of_it() {
        assert_eq!([percent(9_999, 10_000), percent(10_000, 10_000), percent(1, 0)], [99, 100, 0]);
        assert_eq!([percent(155, 1_000), percent(154, 1_000), percent(14_940, 4_000)], [16, 15, 374]);
        assert_eq!(percent(u64::MAX, 1), u64::MAX);
    }
}
