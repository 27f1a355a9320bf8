//! Calls at the border that tokens cross, and of clients that signed: in part up to other contracts.
