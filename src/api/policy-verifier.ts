// A client that decides about each source itself: it is told what is known of one, asks for more, and allows, replaces or denies it.

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Platform } from './engine.ts';
import { nameOf, POLICY_ACTION } from './enums.ts';
import type { ResolveSourceMetaRequest } from './gen/gateway_pb.ts';
import type { SourceOp } from './gen/llb_pb.ts';
import type { Policy } from './gen/policy_pb.ts';
import type { CheckPolicyRequestSchema, CheckPolicyResponse, DecisionResponse } from './gen/policy_session_pb.ts';
import { encodePlatform } from './llb/source-id.ts';
import { applyPolicies } from './policy.ts';
import type { SourceAnswer } from './source-meta.ts';
import { detail, RpcError } from './wire/rpc-error.ts';

/** Questions about one source after which a policy is taken to go round in circles. */
const MAX_QUESTIONS = 10;

export interface PolicyVerifier {
  ask(question: MessageInitShape<typeof CheckPolicyRequestSchema>): Promise<CheckPolicyResponse>;
  /** What is behind the source now. */
  lookUp(request: ResolveSourceMetaRequest): Promise<SourceAnswer>;
}

/** The source after all rules and the verifier's word. Rejects one that is denied. What replaces a source is put to all of them again. */
export async function admitSource(
  source: SourceOp,
  platform: Platform,
  policies: readonly Policy[],
  verifier: PolicyVerifier | undefined,
): Promise<SourceOp> {
  let current = applyPolicies(policies, source);
  if (verifier === undefined) return current;
  let known: SourceAnswer = { source: current };
  for (let question = 0; question < MAX_QUESTIONS; question += 1) {
    const { result } = await verifier.ask({ platform: encodePlatform(platform), source: known });
    if (result.case === 'request') {
      checkSame(current, result.value.source);
      known = await verifier.lookUp(result.value);
      continue;
    }
    if (result.case === undefined) throw new RpcError('invalidArgument', 'no decision in policy response');
    const { action, update } = result.value;
    if (action === POLICY_ACTION.allow) return current;
    if (action !== POLICY_ACTION.convert) throw denial(current, result.value);
    if (update === undefined) throw new RpcError('invalidArgument', 'convert action requires updated source');
    current = applyPolicies(policies, update);
    known = { source: current };
  }
  throw new RpcError('failedPrecondition', 'too many policy requests');
}

/** A verifier may ask about the source that it decides about, and no other: what it sees of another would say nothing of this one. */
function checkSame(source: SourceOp, asked: SourceOp | undefined): void {
  if (asked?.identifier !== source.identifier) {
    throw new RpcError('invalidArgument', `policy requested different source identifier: "${asked?.identifier}" != "${source.identifier}"`);
  }
  const attributes = (op: SourceOp): string => JSON.stringify(Object.entries(op.attrs).sort());
  if (attributes(asked) !== attributes(source)) throw new RpcError('invalidArgument', 'policy requested different source attrs');
}

function denial({ identifier }: SourceOp, { action, denyMessages }: DecisionResponse): RpcError {
  const name = (nameOf(POLICY_ACTION, action) ?? String(action)).toUpperCase();
  const messages = denyMessages.map(({ message }) => ({ message }));
  const details = messages.length === 0 ? [] : [detail('policysession.DecisionResponse', { action: 'DENY', denyMessages: messages })];
  return new RpcError('unknown', `source ${JSON.stringify(identifier)} not allowed by policy: action ${name}`, details);
}
