//! Tests of the joint detector.
