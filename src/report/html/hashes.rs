//! SHA-256 of the styles and scripts of the page, in Base64. `QSCOPE_BLESS=1 cargo test --lib html` writes them.

/// Those of the styles, then those of the scripts, in the order in which the page has them.
pub(super) const HASHES: [&str; 7] = [
    "32MMao1vjur/JktQ9zzlsRT2Rv/ZoLt08EmwoAE1+gQ=",
    "DHv8lpSfn/Wifqm9pLoyHHPnpgzjkdttzOiqKIuXCZw=",
    "GcjUxq2Ikpp59K5J1vcWFWbf0Lo9FcxJXpdPeH63jx8=",
    "z51kKrgckL7hTKnAKyogh6CPGnvitu4ojLlndEnUCzY=",
    "eUD6sfTOTGN9bINuCvvVufqKslwFQn1rKdOZ4gE/gkI=",
    "G705hzQ9ZgdXILGyHqUshmiCEjhGx/vwHTv6Nead6SI=",
    "2Gpbfr1hPQfLrofbrIsAyGAYamdJzQgCUNXQQzXiPLs=",
];
