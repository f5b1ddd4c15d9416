"""What the crash proof, the benchmarks and the systems tests share: written tickets and real servers."""
