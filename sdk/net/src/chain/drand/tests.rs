//! Rounds of drand's quicknet as drand published them, and rounds of the devnet's signer: the vectors of
//! `foundry-tests/unit/beacons/DrandRounds.t.sol`, which say how they were made.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use alloy::primitives::{B256, hex};

use super::*;

struct Vector {
    round: u64,
    compressed: &'static str,
    uncompressed: &'static str,
    randomness: &'static str,
}

const QUICKNET: [Vector; 9] = [
    Vector {
        round: 1,
        compressed: "b55e7cb2d5c613ee0b2e28d6750aabbb78c39dcc96bd9d38c2c2e12198df95571de8e8e402a0cc48871c7089a2b3af4b",
        uncompressed: "00000000000000000000000000000000155e7cb2d5c613ee0b2e28d6750aabbb78c39dcc96bd9d38c2c2e12198df95571de8e8e402a0cc48871c7089a2b3af4b000000000000000000000000000000000fbb74ee8788264320f2501b0fa0dd56363bcec5ce4b113b2bf1de6e331116c79191af99234824f03aeb10ab1c4c7771",
        randomness: "1466a6cd24e327188770752f6134001c64d6efcc590ccc26b721611ad96f165a",
    },
    Vector {
        round: 123,
        compressed: "b75c69d0b72a5d906e854e808ba7e2accb1542ac355ae486d591aa9d43765482e26cd02df835d3546d23c4b13e0dfc92",
        uncompressed: "00000000000000000000000000000000175c69d0b72a5d906e854e808ba7e2accb1542ac355ae486d591aa9d43765482e26cd02df835d3546d23c4b13e0dfc92000000000000000000000000000000000f3894d8ccd4bb5edc3fca0f1f67f658559b86a360dd0128c3b64c12141372bb22276f0a00720b51125a9996b722b23f",
        randomness: "fb8f7bc29bf24db51871ec8c79f3a1e4bd0557bc0dfcee9ed1d924e69d1c60dc",
    },
    Vector {
        round: 1000,
        compressed: "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
        uncompressed: "00000000000000000000000000000000144679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e390000000000000000000000000000000011f92e4521ef54f047b64b85fa98db2d46f0f44add1f60b93f8a0dbddd63b34f238657c2d93aed18b90bddd60a01b6d2",
        randomness: "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd",
    },
    Vector {
        round: 1001,
        compressed: "b33bf3667cbd5a82de3a24b4e0e9fe5513cc1a0e840368c6e31f5fcfa79bea03f73896b25883abf2853d10337fb8fa41",
        uncompressed: "00000000000000000000000000000000133bf3667cbd5a82de3a24b4e0e9fe5513cc1a0e840368c6e31f5fcfa79bea03f73896b25883abf2853d10337fb8fa410000000000000000000000000000000015725954c8f0c9afc82902f9f39d202a4fbe48d7cd5ed3ab26c458f6773b385639e980a4fe3073672572fa77fbdbded0",
        randomness: "b0a591ad1b9002cfc372ac6e30abd3da8d3088d4caae026961743474fb94235f",
    },
    Vector {
        round: 8193,
        compressed: "8632896dc6436e5757a55efaa7b3eea5d1027dc6ac1a0dca90dcff21504117b8a525296fa25a86a5c8b972adf7bfa366",
        uncompressed: "000000000000000000000000000000000632896dc6436e5757a55efaa7b3eea5d1027dc6ac1a0dca90dcff21504117b8a525296fa25a86a5c8b972adf7bfa36600000000000000000000000000000000040606f4a5330d47a6cd11cb9add082bd6771a1ad342f7ae79a7a33ec9ecd750d9e0603868b3af0aeeef647885cd8c36",
        randomness: "4c0bf8e1e0091137dabdba0acdd89fddc3641deb037a4c6be948899ccfd300e5",
    },
    Vector {
        round: 657_413,
        compressed: "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b",
        uncompressed: "000000000000000000000000000000001713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b00000000000000000000000000000000116c5214fdfb7ba78de63a90904f73c935e28a89e5c815c43a49dfc8058ed0d2b7de6f98eae4a917bb868989bd0302b7",
        randomness: "fc1873a13f3545aeade8401532ef5519920652eee6b0d2b19ca12643b87b3587",
    },
    Vector {
        round: 10_000_000,
        compressed: "a187c9f5800521e986b5658924696682071ce7ae965486e8fd08bc2c4758bdbb9ed9ecb7beee392a38214e321ecd434f",
        uncompressed: "000000000000000000000000000000000187c9f5800521e986b5658924696682071ce7ae965486e8fd08bc2c4758bdbb9ed9ecb7beee392a38214e321ecd434f0000000000000000000000000000000018612fe359547c50565157274bc00fceff8527b1fe7c6751aadfbec85d0c2411cdfe9a38c49b7fa24810517224de9f12",
        randomness: "5e6508f1a1f689accfc8b027dec7eb999b20b4f66582b2621231cabf9601bf57",
    },
    Vector {
        round: 10_024_141,
        compressed: "8c87caf26bb4f5e9fdfad5ddf739ff8683344f8cf04a8c381225ff067557b5d9d51937eed765fcef21971bf5ddef44bb",
        uncompressed: "000000000000000000000000000000000c87caf26bb4f5e9fdfad5ddf739ff8683344f8cf04a8c381225ff067557b5d9d51937eed765fcef21971bf5ddef44bb00000000000000000000000000000000003195f8f10818fed7db9d17f28b41524d77f0beb5d61eef1576a0dccdc4c169e7410284e2cc6e4b09b8f7ddc8b526ed",
        randomness: "08622adf60800b20ad45b39792a6fe32cb4bf428925550921b01ac3843e714e6",
    },
    Vector {
        round: 31_799_517,
        compressed: "b7a6d29a93f17085866bf67bed95be9c3b46fd74e7cab12bbf91340f27d99ecc83bc5d46ff4b2b4c6f28aa975bf69fcc",
        uncompressed: "0000000000000000000000000000000017a6d29a93f17085866bf67bed95be9c3b46fd74e7cab12bbf91340f27d99ecc83bc5d46ff4b2b4c6f28aa975bf69fcc00000000000000000000000000000000187382ceb6f69f7fbb17e28418753a4503e388b32ed4bda896b9b384d5eb49c8c642ee5b2315bbe16c31a99d655fb52a",
        randomness: "1e3f931ad3c2321e8c572135aabc96e27ce6cf1e5a807f0b4aa073622b946ada",
    },
];

const OWN: [Vector; 6] = [
    Vector {
        round: 1,
        compressed: "904ab0f3c195010a6353b4f7f0933c93360076a8bb1aeaae81b5610975b0cac78fe30185aacd1c659c60b33022d6b816",
        uncompressed: "00000000000000000000000000000000104ab0f3c195010a6353b4f7f0933c93360076a8bb1aeaae81b5610975b0cac78fe30185aacd1c659c60b33022d6b816000000000000000000000000000000000344b6e8f0651c39e15f6c7071854eef64e82d6d5c95eb7bdf730c08a43a22e5be439ac9ad335d24fc3ca46a8c04e472",
        randomness: "1872680122b9161e7ff6dbbe3a1caf4968378201e7724d0418005d53edbde01c",
    },
    Vector {
        round: 21,
        compressed: "8b0368ec7370d19369c4a4a39341a4a89b9d92cf28408464a8def7b538d130fe12df6d6b8ec58f018683b667b59fd95c",
        uncompressed: "000000000000000000000000000000000b0368ec7370d19369c4a4a39341a4a89b9d92cf28408464a8def7b538d130fe12df6d6b8ec58f018683b667b59fd95c0000000000000000000000000000000009adc92b3bf714a2758ea2e43f56305b62fe76797d332036d29b51d723b9eca355560fe048e1137a9882c308887f6f60",
        randomness: "8949a2cbdaa7fb030da40e8a52b64f7152053910976577d5be712ec8511e2610",
    },
    Vector {
        round: 41,
        compressed: "8646eb18bb1e0b82569f3d813e31c958032b15bea13e451ae803ba8727b65ddba16353e69b0d7ac7e2aeea2248ea4b09",
        uncompressed: "000000000000000000000000000000000646eb18bb1e0b82569f3d813e31c958032b15bea13e451ae803ba8727b65ddba16353e69b0d7ac7e2aeea2248ea4b0900000000000000000000000000000000063b5a2a88dbb0d686da142fb43923faaf068603228e994b5338c78f7d847e1216e940c66a908992ea62ce2234a6d202",
        randomness: "48f435feab793e0252fa94c57341f465796e5d96d9b803bcc910bbe6ddd22d7b",
    },
    Vector {
        round: 1001,
        compressed: "8bdf82c3176d290fa6bab593a527e2fed14d001dafb4d0857641c978fac6facb8dab5dd871ced808c02b1a586aaf09a1",
        uncompressed: "000000000000000000000000000000000bdf82c3176d290fa6bab593a527e2fed14d001dafb4d0857641c978fac6facb8dab5dd871ced808c02b1a586aaf09a100000000000000000000000000000000020454f0a856ed78b9ce82eae405e9040682f3b9be41cd0ae53d655d89fafaf09e59e6a394f850537d5b42a38f6db67d",
        randomness: "4f50288936f00fa7b0c675c36006cb7b8c95337538863e06383e39129ee37d4b",
    },
    Vector {
        round: 2001,
        compressed: "88cac91231b328f0f57a0736f3f3f2d704e6d41a0a985bb70a78944f256e732954e1e3fd206817f607c890df531de27f",
        uncompressed: "0000000000000000000000000000000008cac91231b328f0f57a0736f3f3f2d704e6d41a0a985bb70a78944f256e732954e1e3fd206817f607c890df531de27f0000000000000000000000000000000004d5cf5f78cd2b9b6d636da0fa0c511192541fe71491033181879bd97d53bffc2df6d05f93b947d5e9e868b37f3c297a",
        randomness: "32aafdaf2a2058e25410982b76a4730678702660497abdc27657c6d80fa0af93",
    },
    Vector {
        round: 3001,
        compressed: "80894d464f1ffc005c39b50d86adb8dfeff466840904b53843fb0e32e883f7ef9dc08cc51418214d370de49e7fed9d06",
        uncompressed: "0000000000000000000000000000000000894d464f1ffc005c39b50d86adb8dfeff466840904b53843fb0e32e883f7ef9dc08cc51418214d370de49e7fed9d06000000000000000000000000000000000270adae889d273604c27c48ba65dfabad936121c4fac6d14cb62e34ad6292e797ebfda044e546027e014742a5dcd5f3",
        randomness: "bcc8fecc8c1dbc4c32fb168619701bd01cbf11e056aa5d1c55942663e24b1df4",
    },
];

/// The key of quicknet as `Quicknet.sol` has it.
const QUICKNET_KEY: &str = "000000000000000000000000000000000d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a0000000000000000000000000000000003cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451000000000000000000000000000000000e5db2b6bfbb01c867749cadffca88b36c24f3012ba09fc4d3022c5c37dce0f977d3adb5d183c7477c442b1f045152730000000000000000000000000000000001a714f2edb74119a2f2b0d5a7c75ba902d163700a61bc224ededd8e63aef7be1aaf8e93d7a9718b047ccddb3eb5d68b";
/// The key of the devnet's signer.
const OWN_KEY: &str = "0000000000000000000000000000000019274412f2e9eecf7334114b02847693e9d997f1aa9f936d90cae8946df6593033431513e210880bcda015da1b61f6f5000000000000000000000000000000000038bfe033bc328ea36bb7c3438bc5a27a0dc880506277e116c8b842ed0c1ea78d32c90b04afbca59bd828c1e6c5e3f300000000000000000000000000000000186970b10d03d2f317610d8418642b47fda2c5ffe7ee38636249f3b3b723e2c61d42e886604720aca665b9f04744ba0b000000000000000000000000000000000c4bb3d4169e7d4db6194d9bbb0d3e58b6a4f3e22b5c40c895d78184cb4566d2a05b9ed24dfdfa24a3376a3792fc37ed";
/// A point of the twisted curve outside G2.
const OUTSIDE_G2: &str = "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000020000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000013a59858b6809fca4d9a3b6539246a70051a3c88899964a42bc9a69cf9acdd9dd387cfa9086b894185b9a46a402be730000000000000000000000000000000002d27e0ec3356299a346a09ad7dc4ef68a483c3aed53f9139d2f929a3eecebf72082e5e58c6da24ee32e03040c406d4f";
/// The signature on quicknet's round 1 plus a point of small order: outside G1, and no pairing tells the two apart.
const PLUS_TORSION: &str = "863d12e79b9c72f4c20ced4de22378331d10d7017180642ce39ad99f2a9bd20a0907f939f8c26f7c1556116f4e0cc1ee";
/// A point of the curve outside G1: x = 4.
const OUTSIDE_G1: &str = "800000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000004";
/// The signature on quicknet's round 1, negated.
const NEGATED: &str = "955e7cb2d5c613ee0b2e28d6750aabbb78c39dcc96bd9d38c2c2e12198df95571de8e8e402a0cc48871c7089a2b3af4b";
/// The devnet's signer on round 1, under the tag of drand's older chain fastnet.
const OTHER_TAG: &str = "8c18096b6a1f2cca399f9849d1c46112a2a578a0de474d7a3cc3c8db9644ef64875422317f1ca0b626ad35baa3808e09";
/// The devnet's signer on round 1, written with its lowest byte first.
const LITTLE_ENDIAN: &str = "811d84f3cb41755bbc04dbbf428e0d010b3d34ed80c8e258bc252b0de440d5c10a76cce7a587fe14cbda57c2a4c9815f";

fn key(bytes: &str) -> GroupKey {
    GroupKey::from_eip2537(&hex::decode(bytes).unwrap()).unwrap()
}

fn verify(group: &str, round: u64, signature: &str) -> Result<RoundSignature, BadSignature> {
    key(group).verify(round, &hex::decode(signature).unwrap())
}

#[test]
fn published_rounds_are_verified_and_written_as_the_beacon_wants_them() {
    for (group, vectors) in [(QUICKNET_KEY, &QUICKNET[..]), (OWN_KEY, &OWN[..])] {
        for vector in vectors {
            let signature = verify(group, vector.round, vector.compressed).unwrap();
            let expected = hex::decode(vector.uncompressed).unwrap();
            assert_eq!(signature.to_eip2537(), expected, "round {}", vector.round);
            let randomness: B256 = vector.randomness.parse().unwrap();
            assert_eq!(signature.randomness(), randomness);
        }
    }
}

#[test]
fn a_signature_counts_for_its_round_and_group_only() {
    for vector in &QUICKNET {
        let round = vector.round + 1;
        let wrong = BadSignature::Wrong { round };
        let refused = verify(QUICKNET_KEY, round, vector.compressed).unwrap_err();
        assert_eq!(refused, wrong);
        let round = vector.round;
        let refused = verify(OWN_KEY, round, vector.compressed).unwrap_err();
        assert_eq!(refused, BadSignature::Wrong { round });
    }
    let wrong = BadSignature::Wrong { round: 1 };
    for (group, signature) in [
        (QUICKNET_KEY, NEGATED),
        (OWN_KEY, OTHER_TAG),
        (OWN_KEY, LITTLE_ENDIAN),
    ] {
        assert_eq!(verify(group, 1, signature).unwrap_err(), wrong);
    }
}

#[test]
fn bytes_that_are_no_point_of_g1_are_refused() {
    let verify = |bytes: &[u8]| key(QUICKNET_KEY).verify(1, bytes).unwrap_err();
    let right = hex::decode(QUICKNET[0].compressed).unwrap();
    let decoded = |text: &str| hex::decode(text).unwrap();

    assert_eq!(verify(&[]), BadSignature::Length { length: 0 });
    assert_eq!(verify(&right[..47]), BadSignature::Length { length: 47 });
    // The uncompressed form, and a signature of drand's chained scheme.
    assert_eq!(
        verify(&[&right[..], &right].concat()),
        BadSignature::Length { length: 96 }
    );

    let mut infinity = [0; 48];
    infinity[0] = 0xc0;
    assert_eq!(verify(&infinity), BadSignature::Infinity);
    assert_eq!(verify(&decoded(PLUS_TORSION)), BadSignature::OutsideGroup);
    assert_eq!(verify(&decoded(OUTSIDE_G1)), BadSignature::OutsideGroup);

    // Not marked as compressed; x is not below the field's order; no point has this x.
    let mut plain = right.clone();
    plain[0] &= 0x7f;
    let mut large = [0xff; 48];
    large[0] = 0x9f;
    let mut none = [0; 48];
    (none[0], none[47]) = (0x80, 1);
    for bytes in [&plain[..], &large, &none] {
        assert_eq!(verify(bytes), BadSignature::NotAPoint);
    }
}

#[test]
fn keys_are_read_and_written_as_the_beacon_has_them() {
    for text in [QUICKNET_KEY, OWN_KEY] {
        assert_eq!(key(text).to_eip2537(), hex::decode(text).unwrap());
    }
    let right = hex::decode(QUICKNET_KEY).unwrap();
    let mut padded = right.clone();
    padded[0] = 1;
    let mut moved = right.clone();
    moved[255] ^= 1;
    for bytes in [
        &[0; 256][..],
        &right[..255],
        &padded,
        &moved,
        &hex::decode(OUTSIDE_G2).unwrap(),
    ] {
        assert_eq!(GroupKey::from_eip2537(bytes), Err(BadKey));
    }
}

#[test]
fn only_quicknet_has_endpoints_by_itself() {
    let none = Endpoints::new(key(OWN_KEY), &[]).unwrap();
    assert_eq!(none.urls(), []);
    let quicknet = Endpoints::new(key(QUICKNET_KEY), &[]).unwrap();
    let hosts: Vec<_> = quicknet
        .urls()
        .iter()
        .filter_map(|url| url.host_str())
        .collect();
    let known = [
        "api.drand.sh",
        "api2.drand.sh",
        "api3.drand.sh",
        "drand.cloudflare.com",
    ];
    assert_eq!(hosts, known);
    let own = ["http://127.0.0.1:9".parse().unwrap()];
    let named = Endpoints::new(key(QUICKNET_KEY), &own).unwrap();
    assert_eq!(named.urls(), own);
    for bad in [
        "ftp://a.example",
        "data:a",
        "http://a.example/?round=",
        "http://a.example/#b",
    ] {
        let refused = Endpoints::new(key(OWN_KEY), &[bad.parse().unwrap()]).unwrap_err();
        assert_eq!(refused.code(), "drand-bad-url", "{bad}");
        assert!(refused.to_string().contains(bad), "{refused}");
    }
}
