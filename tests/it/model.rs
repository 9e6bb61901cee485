//! Random operations against a small reference model.
