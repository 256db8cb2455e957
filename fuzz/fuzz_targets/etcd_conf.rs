#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| quorumscope::fuzzing::etcd_conf(data));
