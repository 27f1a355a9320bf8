//! A connection to a chain that can be cut, and led to another one.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use url::Url;

use crate::scene::Scene;

pub(crate) struct Cable {
    /// The near end.
    pub(crate) url: Url,
    /// Where it leads, if it is not cut.
    far: watch::Sender<Option<String>>,
}

impl Cable {
    pub(crate) async fn to(scene: &Scene) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (far, leads_to) = watch::channel(None);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut leads_to = leads_to.clone();
                tokio::spawn(async move {
                    let Some(target) = leads_to.borrow_and_update().clone() else {
                        return;
                    };
                    let Ok(mut far) = TcpStream::connect(target).await else {
                        return;
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = leads_to.changed() => {}
                    }
                });
            }
        });
        let cable = Self {
            url: url.parse().unwrap(),
            far,
        };
        cable.lead_to(scene);
        cable
    }

    pub(crate) fn lead_to(&self, scene: &Scene) {
        let url = scene.net.anvil.url().trim_start_matches("http://");
        let target = url.trim_end_matches('/').to_owned();
        self.far.send_replace(Some(target));
    }

    pub(crate) fn cut(&self) {
        self.far.send_replace(None);
    }
}
