//! What no random trace reaches, in revm.

use piecework_differential::code::Code;
use piecework_differential::odd;

#[test]
fn constructors_refuse_the_same() {
    odd::constructors_refuse_the_same(&Code::in_revm());
}

#[test]
fn odd_tokens_are_refused_the_same() {
    odd::odd_tokens_are_refused_the_same(&Code::in_revm());
}
