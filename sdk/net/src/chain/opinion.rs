//! One question, asked of two endpoints: what costs a bond if it is wrong is not believed on one word alone.

use std::{sync::Arc, time::Duration};

use alloy::{
    providers::{DynProvider, Provider as _},
    rpc::json_rpc::{RpcRecv, RpcSend},
    transports::TransportError,
};

use super::rpc::Opinion;

/// How long a second opinion is waited for.
const SECOND: Duration = Duration::from_secs(3);

/// One endpoint's answer, and which one it was. The endpoint `other_than` is asked last.
pub(super) async fn ask<P: RpcSend + 'static, R: RpcRecv>(
    provider: &DynProvider,
    method: &'static str,
    params: P,
    other_than: Option<usize>,
) -> Result<(R, Option<usize>), TransportError> {
    let opinion = Opinion {
        other_than,
        by: Arc::default(),
    };
    let by = opinion.by.clone();
    let call = provider.client().request(method, params);
    let call = call.map_meta(|mut meta| {
        meta.extensions_mut().insert(opinion);
        meta
    });
    Ok((call.await?, by.get().copied()))
}

/// What another endpoint than the `first` one answers, if there is one and it does.
pub(super) async fn second<P: RpcSend + 'static, R: RpcRecv>(
    provider: &DynProvider,
    method: &'static str,
    params: P,
    first: Option<usize>,
) -> Option<R> {
    let first = first?;
    let asked = ask(provider, method, params, Some(first));
    match tokio::time::timeout(SECOND, asked).await.ok()? {
        Ok((answer, by)) if by.is_some_and(|by| by != first) => Some(answer),
        _ => None,
    }
}
