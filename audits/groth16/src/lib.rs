//! A small circuit with the public inputs of `contracts/evm/verifiers/Groth16Verifier.sol`, and its key and
//! proofs as that contract takes them. Made by arkworks, an implementation apart from the contract's.

use ark_bn254::{Bn254, Fq, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr as _;
use ark_ff::{BigInteger as _, Field as _, PrimeField as _};
use ark_groth16::{Groth16, Proof, ProvingKey, VerifyingKey};
use ark_r1cs_std::{alloc::AllocVar as _, eq::EqGadget as _, fields::fp::FpVar};
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystemRef, Result as SynthesisResult, SynthesisError,
};
use ark_snark::SNARK as _;
use ark_std::rand::{CryptoRng, RngCore};

/// What a proof is about: the lease, and the root of its result.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    /// The job.
    pub job_id: [u8; 32],
    /// The lease's first task.
    pub first: u32,
    /// Tasks in the lease.
    pub count: u32,
    /// The root that is claimed.
    pub root: [u8; 32],
}

impl Statement {
    /// The public inputs, in the contract's order: 128 bits each at most, so that each is one field element.
    pub fn inputs(&self) -> [Fr; 6] {
        let [job_high, job_low] = halves(&self.job_id);
        let [root_high, root_low] = halves(&self.root);
        [
            job_high,
            job_low,
            Fr::from(self.first),
            Fr::from(self.count),
            root_high,
            root_low,
        ]
    }
}

fn halves(word: &[u8; 32]) -> [Fr; 2] {
    let (high, low) = word.split_at(16);
    [high, low].map(Fr::from_be_bytes_mod_order)
}

/// The "work" that the circuit proves: `s^3 + first * s^2 + count * s + jobId` in the scalar field, of a secret `s`.
pub fn work(job_id: &[u8; 32], first: u32, count: u32, secret: Fr) -> [u8; 32] {
    let job = Fr::from_be_bytes_mod_order(job_id);
    let square = secret * secret;
    word(square * secret + Fr::from(first) * square + Fr::from(count) * secret + job)
}

/// Knowledge of the secret whose work the root is.
struct Circuit {
    statement: Option<Statement>,
    secret: Option<Fr>,
}

impl ConstraintSynthesizer<Fr> for Circuit {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> SynthesisResult<()> {
        let inputs = self.statement.map(|statement| statement.inputs());
        let input = |index: usize| {
            FpVar::new_input(cs.clone(), || {
                inputs
                    .as_ref()
                    .and_then(|inputs| inputs.get(index).copied())
                    .ok_or(SynthesisError::AssignmentMissing)
            })
        };
        let (job_high, job_low) = (input(0)?, input(1)?);
        let (first, count) = (input(2)?, input(3)?);
        let (root_high, root_low) = (input(4)?, input(5)?);
        let secret = FpVar::new_witness(cs.clone(), || {
            self.secret.ok_or(SynthesisError::AssignmentMissing)
        })?;
        let shift = Fr::from(2u8).pow([128]);
        let (job, root) = (job_high * shift + job_low, root_high * shift + root_low);
        let square = &secret * &secret;
        let result = &square * &secret + first * &square + count * &secret + job;
        result.enforce_equal(&root)
    }
}

/// Keys for the circuit, from randomness that nobody else may know.
///
/// # Errors
/// If the circuit cannot be synthesized.
pub fn setup<R: RngCore + CryptoRng>(
    rng: &mut R,
) -> SynthesisResult<(ProvingKey<Bn254>, VerifyingKey<Bn254>)> {
    let circuit = Circuit {
        statement: None,
        secret: None,
    };
    Groth16::<Bn254>::circuit_specific_setup(circuit, rng)
}

/// Proves the statement with the secret behind it.
///
/// # Errors
/// If the statement is not true of the secret.
pub fn prove<R: RngCore + CryptoRng>(
    key: &ProvingKey<Bn254>,
    statement: Statement,
    secret: Fr,
    rng: &mut R,
) -> SynthesisResult<Proof<Bn254>> {
    let circuit = Circuit {
        statement: Some(statement),
        secret: Some(secret),
    };
    Groth16::<Bn254>::prove(key, circuit, rng)
}

/// The argument of the contract's constructor.
pub fn encode_key(key: &VerifyingKey<Bn254>) -> Vec<u8> {
    let mut out = g1(&key.alpha_g1).concat();
    for point in [&key.beta_g2, &key.gamma_g2, &key.delta_g2] {
        out.extend(g2(point).concat());
    }
    for point in &key.gamma_abc_g1 {
        out.extend(g1(point).concat());
    }
    out
}

/// A proof as the contract takes it: eight words.
pub fn encode_proof(proof: &Proof<Bn254>) -> Vec<u8> {
    [
        g1(&proof.a).concat(),
        g2(&proof.b).concat(),
        g1(&proof.c).concat(),
    ]
    .concat()
}

/// EIP-196: big-endian words; infinity is zero.
fn g1(point: &G1Affine) -> [[u8; 32]; 2] {
    let (x, y) = point.xy().unwrap_or_default();
    [word(x), word(y)]
}

/// EIP-197: the imaginary part first.
fn g2(point: &G2Affine) -> [[u8; 32]; 4] {
    let (x, y) = point.xy().unwrap_or_default();
    [word(x.c1), word(x.c0), word(y.c1), word(y.c0)]
}

/// The order of the field that coordinates are in.
pub fn field_order() -> [u8; 32] {
    padded(&Fq::MODULUS.to_bytes_be())
}

fn word<F: ark_ff::PrimeField>(element: F) -> [u8; 32] {
    padded(&element.into_bigint().to_bytes_be())
}

fn padded(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().rev().zip(bytes.iter().rev()) {
        *to = *from;
    }
    out
}
