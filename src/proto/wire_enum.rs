//! Enums of numbers on the wire: one table gives the variants, their numbers and their names.

/// Declares an enum whose variants are numbers on the wire, with `Unknown` for all others, so that no
/// number is refused and none is lost.
///
/// Each row is a variant, its number and its name; the last row is the name of `Unknown`.
macro_rules! wire_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$doc:meta])* $variant:ident = $number:literal, $text:literal;)+
            _ = $unknown:literal;
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
            /// Any other number.
            Unknown(i32),
        }

        impl $name {
            /// The value of a number on the wire.
            #[must_use]
            pub const fn from_number(number: i32) -> Self {
                match number {
                    $($number => Self::$variant,)+
                    other => Self::Unknown(other),
                }
            }

            /// Its number on the wire.
            #[must_use]
            pub const fn number(self) -> i32 {
                match self {
                    $(Self::$variant => $number,)+
                    Self::Unknown(other) => other,
                }
            }

            /// Its name as ZooKeeper spells it;
            #[doc = concat!("`", $unknown, "`")]
            /// for [`Self::Unknown`].
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Unknown(_) => $unknown,
                }
            }
        }

        impl std::fmt::Display for $name {
            /// Writes the name, with the number behind it where that is unknown.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Self::Unknown(number) => write!(f, "{}({number})", self.name()),
                    known => f.write_str(known.name()),
                }
            }
        }
    };
}

pub(super) use wire_enum;
