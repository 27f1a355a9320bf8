//! What no random trace reaches, in revm.

use piecework_differential::odd;
use piecework_differential::world::Code;

#[test]
fn constructors_refuse_the_same() {
    odd::constructors_refuse_the_same(&Code::committed());
}

#[test]
fn odd_tokens_are_refused_the_same() {
    odd::odd_tokens_are_refused_the_same(&Code::committed());
}
