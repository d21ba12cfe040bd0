// The trust room: who may be believed about an image. Signs images, finds and verifies signatures, and asks a policy.

export { createTrustGate, type TrustGate } from './gate.ts';
export { type KeyPair, readPrivateKey, readPublicKey } from './key-file.ts';
export { parseTrustPolicy, type TrustPolicy, type TrustRule } from './policy.ts';
export { signImage, verifyImage, type VerifiedImage } from './signatures.ts';
