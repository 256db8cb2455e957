#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| quorumscope::fuzzing::peer(data));
