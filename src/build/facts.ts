// What became of each step and what each stage gave, for people and for `--metadata-file`.

import { type GraphResult, type StageFacts as GraphStage } from '../graph/index.ts';
import { formatPlatform } from '../oci/index.ts';
import type { VertexFacts } from '../solver/index.ts';
import type { StageFacts, StepFacts } from './result.ts';
import type { BuildSession } from './session.ts';

/** One row for each instruction that did something, in the order of the file, platform by platform; shared steps once. */
export function stepFacts(graph: GraphResult, facts: readonly VertexFacts[]): readonly StepFacts[] {
  const byDigest = new Map(facts.map((fact) => [fact.digest, fact]));
  const seen = new Set<string>();
  const steps: StepFacts[] = [];
  for (const { stages, platform, countedFrom } of graph.platforms) {
    if (countedFrom !== undefined) continue;
    for (const { name, instructions } of stages) {
      for (const { text, location, vertices } of instructions) {
        const step = vertices.at(-1);
        const fact = step === undefined ? undefined : byDigest.get(step.digest);
        if (step === undefined || fact === undefined || seen.has(step.digest)) continue;
        seen.add(step.digest);
        steps.push({
          stage: name,
          line: location.range.start.line,
          instruction: text,
          platform: formatPlatform(platform),
          state: fact.state === 'failed' ? 'canceled' : fact.state,
          reason: fact.reason,
          milliseconds: milliseconds(fact),
        });
      }
    }
  }
  return graph.platforms.some(({ countedFrom }) => countedFrom !== undefined) ? [...steps, ...plainSteps(graph, byDigest)] : steps;
}

/** Steps of a graph without stages, by their own names. */
function plainSteps(graph: GraphResult, facts: ReadonlyMap<string, VertexFacts>): readonly StepFacts[] {
  return graph.vertices.flatMap(({ digest, op, about, platform }) => {
    const fact = facts.get(digest);
    if (fact === undefined || op.type === 'source') return [];
    return [
      {
        stage: about.stage ?? '',
        line: about.location?.range.start.line ?? 0,
        instruction: about.name,
        platform: formatPlatform(platform),
        state: fact.state === 'failed' ? 'canceled' : fact.state,
        reason: fact.reason,
        milliseconds: milliseconds(fact),
      },
    ];
  });
}

/** One row for each stage that was built. */
export function stageFacts(graph: GraphResult, session: BuildSession): readonly StageFacts[] {
  const byDigest = new Map(session.facts.map((fact) => [fact.digest, fact]));
  return graph.platforms.flatMap(({ stages }) =>
    stages.map((stage) => {
      const root = session.knownResult(stage.output);
      const base = baseLayers(stage, stages, session);
      return {
        name: stage.name,
        index: stage.index,
        platform: formatPlatform(stage.platform),
        base: stage.base,
        milliseconds: stage.instructions
          .flatMap(({ vertices }) => vertices)
          .reduce((sum, { digest }) => sum + milliseconds(byDigest.get(digest)), 0),
        bytes: session.sizeOf(root?.layers.slice(base) ?? []),
        totalBytes: session.sizeOf(root?.layers ?? []),
      };
    }),
  );
}

/** How many layers a stage starts with. */
export function baseLayers(stage: GraphStage, stages: readonly GraphStage[], session: BuildSession): number {
  if (stage.baseStage !== undefined) {
    const base = stages.find(({ index }) => index === stage.baseStage);
    return session.knownResult(base?.output)?.layers.length ?? 0;
  }
  const first = stage.instructions.flatMap(({ vertices }) => vertices)[0];
  return session.knownResult(first?.inputs[0])?.layers.length ?? 0;
}

function milliseconds(fact: VertexFacts | undefined): number {
  if (fact?.state !== 'executed' || fact.started === undefined || fact.completed === undefined) return 0;
  return fact.completed - fact.started;
}
