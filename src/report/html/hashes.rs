//! SHA-256 of the styles and scripts of the page, in Base64. `QSCOPE_BLESS=1 cargo test --lib html` writes them.

/// Those of the styles, then those of the scripts, in the order in which the page has them.
pub(super) const HASHES: [&str; 7] = [
    "32MMao1vjur/JktQ9zzlsRT2Rv/ZoLt08EmwoAE1+gQ=",
    "DHv8lpSfn/Wifqm9pLoyHHPnpgzjkdttzOiqKIuXCZw=",
    "GcjUxq2Ikpp59K5J1vcWFWbf0Lo9FcxJXpdPeH63jx8=",
    "5fPTJP7F5u+R5zNRetS0EjhXD9lHRw4w6zoQqvHSZBQ=",
    "CrYvctXu+RlrEQJUpFaLWHdG+91cI7ZJJGZtwJ12w3g=",
    "u6V2K0X1w47QgFPsrShLGjgKvortOJtIw3stDW1b7WA=",
    "iZWzLWykNhEJVcnjX2iA0LY4ssIOTaM/Fsjsv+RCmek=",
];
