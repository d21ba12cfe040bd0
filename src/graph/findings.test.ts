// BuildKit's rules, each where it finds something and where it nearly does. BuildKit finds the same in each of these files.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import { applyFixes, parseDockerfile } from '../dockerfile/index.ts';
import { AMD64, fakeResolver } from './fake-resolver.ts';
import { buildGraph, type GraphOptions } from './index.ts';

interface FindingCase {
  readonly about: string;
  readonly text: readonly string[];
  readonly options?: Partial<GraphOptions>;
  /** Line, rule, and what may be meant. */
  readonly found: readonly string[];
}

const CASES: readonly FindingCase[] = [
  {
    about: 'StageNameCasing',
    text: ['FROM scratch AS Build', 'FROM scratch AS build2', 'FROM scratch AS BUILD-3'],
    found: ['1 StageNameCasing', '3 StageNameCasing'],
  },
  {
    about: 'FromAsCasing: a FROM of mixed case asks nothing of AS',
    text: ['from scratch as a', 'FROM scratch as b', 'From scratch As c', 'from scratch AS d', 'FROM scratch AS e'],
    found: [
      '1 ConsistentInstructionCasing',
      '2 FromAsCasing',
      '3 ConsistentInstructionCasing',
      '4 ConsistentInstructionCasing',
      '4 FromAsCasing',
    ],
  },
  {
    about: 'NoEmptyContinuation: a comment does not make a blank line good; a heredoc’s own lines are no continuation',
    text: ['FROM scratch', 'LABEL a=b \\', '', ' c=d', 'LABEL a=b \\', '# x', '', '  e=f', 'COPY <<E \\', '', ' /x', '', 'E'],
    found: ['4 NoEmptyContinuation', '8 NoEmptyContinuation', '11 NoEmptyContinuation'],
  },
  {
    about: 'ConsistentInstructionCasing: mixed case is always told',
    text: ['from scratch', 'RUN a', 'Run b', 'run c', 'COPY a /'],
    found: ['1 ConsistentInstructionCasing', '3 ConsistentInstructionCasing', '4 ConsistentInstructionCasing'],
  },
  {
    about: 'ConsistentInstructionCasing: as many of both: upper case',
    text: ['from scratch', 'LABEL a=b'],
    found: ['1 ConsistentInstructionCasing'],
  },
  {
    about: 'ConsistentInstructionCasing: most are in lower case',
    text: ['from scratch', 'label a=b', 'LABEL c=d'],
    found: ['3 ConsistentInstructionCasing'],
  },
  {
    about: 'DuplicateStageName: whatever the case',
    text: ['FROM scratch AS a', 'FROM scratch AS A', 'FROM scratch AS b'],
    found: ['2 StageNameCasing', '2 DuplicateStageName'],
  },
  {
    about: 'ReservedStageName',
    text: ['FROM scratch AS scratch', 'FROM scratch AS context', 'FROM scratch AS Scratch'],
    found: ['1 ReservedStageName', '2 ReservedStageName', '3 StageNameCasing', '3 ReservedStageName', '3 DuplicateStageName'],
  },
  {
    about: 'JSONArgsRecommended: not behind SHELL, and not for HEALTHCHECK',
    text: [
      'FROM scratch',
      'CMD x',
      'ENTRYPOINT y',
      'FROM scratch',
      'SHELL ["a"]',
      'CMD x',
      'FROM scratch',
      'CMD ["x"]',
      'HEALTHCHECK CMD x',
    ],
    found: ['2 JSONArgsRecommended', '3 JSONArgsRecommended'],
  },
  {
    about: 'JSONArgsRecommended: a trigger is looked at where it runs',
    text: ['FROM scratch AS a', 'ONBUILD CMD x', 'FROM a'],
    found: ['3 JSONArgsRecommended'],
  },
  {
    about: 'MaintainerDeprecated',
    text: ['FROM scratch', 'MAINTAINER x'],
    found: ['2 MaintainerDeprecated'],
  },
  {
    about: 'UndefinedArgInFrom: platform arguments are there, others are not',
    text: ['ARG foo=scratch', 'FROM $fo AS a', 'FROM ${TARGETARCH:-scratch} AS b', 'FROM --platform=$BUILDPLATFROM scratch'],
    found: ['2 InvalidDefaultArgInFrom', '2 UndefinedArgInFrom foo'],
  },
  {
    about: 'UndefinedArgInFrom: one without a value is declared',
    text: ['ARG foo', 'FROM ${foo:-scratch} AS a', 'FROM scratch$bar'],
    found: ['3 UndefinedArgInFrom'],
  },
  {
    about: 'WorkdirRelativePath: an absolute one, here or in a stage below, is enough',
    text: [
      'FROM busybox',
      'WORKDIR a',
      'WORKDIR b',
      'FROM busybox AS x',
      'WORKDIR /a',
      'WORKDIR b',
      'FROM x',
      'WORKDIR c',
      'FROM scratch',
      'ENV D=/x',
      'WORKDIR $D',
      'WORKDIR y',
    ],
    found: ['2 WorkdirRelativePath'],
  },
  {
    about: 'UndefinedVar: with a default, and for what wants an ARG, too; once for a name and instruction',
    text: [
      'FROM scratch',
      'ARG a',
      'ENV b=$a c=$d',
      'LABEL x=${d:-q} y=$PATH z=$TARGETARCH h=$HTTP_PROXY i=$PTH',
      'COPY $e /f',
      'WORKDIR /$g',
      'USER $h',
      'EXPOSE $i',
    ],
    found: [
      '3 UndefinedVar',
      '4 UndefinedVar b',
      '4 UndefinedVar',
      '4 UndefinedVar',
      '4 UndefinedVar PATH',
      '5 UndefinedVar b',
      '6 UndefinedVar b',
      '7 UndefinedVar b',
    ],
  },
  {
    about: 'UndefinedVar: quotes and escapes count; commands are not looked into',
    text: [
      'FROM scratch',
      'ENV foo=1',
      'LABEL a=$fo b=$Foo c="\\$nope" d=\'$nope\' e=$1 f=$@',
      'RUN echo $nope',
      'CMD ["$nope"]',
      'HEALTHCHECK CMD $nope',
      'VOLUME $v',
      'STOPSIGNAL ${S:-SIGTERM}',
    ],
    found: ['3 UndefinedVar foo', '3 UndefinedVar foo', '3 UndefinedVar', '3 UndefinedVar', '7 UndefinedVar'],
  },
  {
    about: 'MultipleInstructionsDisallowed: for each kind and stage',
    text: [
      'FROM scratch',
      'CMD ["a"]',
      'CMD ["b"]',
      'ENTRYPOINT ["a"]',
      'ENTRYPOINT ["b"]',
      'HEALTHCHECK NONE',
      'HEALTHCHECK CMD ["x"]',
      'FROM scratch',
      'CMD ["c"]',
    ],
    found: ['2 MultipleInstructionsDisallowed', '4 MultipleInstructionsDisallowed', '6 MultipleInstructionsDisallowed'],
  },
  {
    about: 'LegacyKeyValueFormat',
    text: ['FROM scratch', 'ENV a b', 'LABEL c d', 'ENV e=f'],
    found: ['2 LegacyKeyValueFormat', '3 LegacyKeyValueFormat'],
  },
  {
    about: 'RedundantTargetPlatform: however it is written',
    text: [
      'FROM --platform=$TARGETPLATFORM scratch AS a',
      'FROM --platform=${TARGETPLATFORM} scratch AS b',
      'FROM --platform=${TARGETPLATFORM:-x} scratch AS c',
      'FROM --platform=$BUILDPLATFORM scratch AS d',
      'FROM --platform="$TARGETPLATFORM" scratch AS e',
    ],
    found: ['1 RedundantTargetPlatform', '2 RedundantTargetPlatform', '3 RedundantTargetPlatform', '5 RedundantTargetPlatform'],
  },
  {
    about: 'SecretsUsedInArgOrEnv: whole words of a name, unless it has public, file, version',
    text: [
      'FROM scratch',
      'ARG token',
      'ENV MY_PASSWORD=x AUTH_URL=y PASSWORD_FILE=z tokens=1 GIT_TOKEN=2 SECRETKEY=3 apikey=4 API_KEY=5 KEY=6 PUBLIC_KEY=7 AUTHOR=8 KEYSERVER=9 CREDENTIALS=1 pword=1 TOKEN_VERSION=2 CREDENTIAL=3 passwd=4 MYPASSWORD=4',
      'ARG AUTH_TOKEN_PUBLIC',
    ],
    found: [
      '2 SecretsUsedInArgOrEnv',
      '3 SecretsUsedInArgOrEnv',
      '3 SecretsUsedInArgOrEnv',
      '3 SecretsUsedInArgOrEnv',
      '3 SecretsUsedInArgOrEnv',
      '3 SecretsUsedInArgOrEnv',
      '3 SecretsUsedInArgOrEnv',
      '3 SecretsUsedInArgOrEnv',
      '3 SecretsUsedInArgOrEnv',
      '3 SecretsUsedInArgOrEnv',
      '3 SecretsUsedInArgOrEnv',
    ],
  },
  {
    about: 'SecretsUsedInArgOrEnv: global ARGs are not looked at',
    text: ['ARG TOKEN=1', 'FROM scratch', 'LABEL password=x'],
    found: [],
  },
  {
    about: 'InvalidDefaultArgInFrom: no tag',
    text: ['ARG V', 'FROM busybox:$V'],
    found: ['2 InvalidDefaultArgInFrom'],
  },
  {
    about: 'InvalidDefaultArgInFrom: defaults count',
    text: ['ARG V', 'ARG W=1', 'FROM busybox:${V:-1} AS a', 'FROM busybox:$W AS b', 'FROM ${V}'],
    found: ['5 InvalidDefaultArgInFrom'],
  },
  {
    about: 'InvalidDefaultArgInFrom: whatever a build argument says',
    text: ['ARG V', 'FROM busybox:$V'],
    options: { buildArgs: { V: 'latest' } },
    found: ['2 InvalidDefaultArgInFrom'],
  },
  {
    about: 'FromPlatformFlagConstDisallowed: a stage called after the platform',
    text: [
      'FROM --platform=linux/amd64 scratch AS a',
      'FROM --platform=linux/amd64 scratch AS build_amd64',
      'FROM --platform=linux/amd64 scratch AS linux',
      'FROM --platform=linux/arm64 scratch',
      'ARG P',
      'FROM --platform=$P scratch AS x',
    ],
    found: ['1 FromPlatformFlagConstDisallowed', '4 FromPlatformFlagConstDisallowed', '6 UndefinedArgInFrom'],
  },
  {
    about: 'CopyIgnoredFile: each source by itself; a folder with something in it is none',
    text: ['FROM scratch', 'COPY a b /x/', 'ADD d/y.log /', 'COPY . /', 'COPY d /'],
    options: { ignore: ['a', '*.log', '**/*.log'] },
    found: ['2 CopyIgnoredFile', '3 CopyIgnoredFile'],
  },
  {
    about: 'CopyIgnoredFile: not with a pattern that takes something back',
    text: ['FROM scratch', 'COPY a /x/'],
    options: { ignore: ['a', '!b'] },
    found: [],
  },
  {
    about: 'CopyIgnoredFile: the root where everything is left out',
    text: ['FROM scratch', 'COPY . /x/', 'COPY a /'],
    options: { ignore: ['*'] },
    found: ['2 CopyIgnoredFile', '3 CopyIgnoredFile'],
  },
  {
    about: 'CopyIgnoredFile: the root, by another pattern',
    text: ['FROM scratch', 'COPY . /x/', 'COPY d/ /'],
    options: { ignore: ['**/*'] },
    found: ['2 CopyIgnoredFile', '3 CopyIgnoredFile'],
  },
  {
    about: 'CopyIgnoredFile: only what comes from the context',
    text: ['FROM scratch', 'COPY <<a /x', 'q', 'a', 'ADD https://x/a /'],
    options: { ignore: ['a'] },
    found: [],
  },
  {
    about: 'InvalidDefinitionDescription: the last comment in front, whatever blank lines are between',
    text: [
      '# check=experimental=all',
      '# bar this',
      'FROM scratch AS foo',
      '# foo is',
      'FROM scratch AS foo2',
      '#',
      '# x',
      '',
      'ARG q',
      '# q is',
      'ARG q=1',
      '# x',
      'ARG a b',
    ],
    found: [
      '3 InvalidDefinitionDescription',
      '5 InvalidDefinitionDescription',
      '9 InvalidDefinitionDescription',
      '13 InvalidDefinitionDescription',
    ],
  },
  {
    about: 'InvalidDefinitionDescription: off unless asked for',
    text: ['# bar this', 'FROM scratch AS foo'],
    found: [],
  },
  {
    about: 'ExposeProtoCasing',
    text: ['FROM scratch', 'EXPOSE 80/TCP 81/Udp 82/tcp 83-84/SCTP'],
    found: ['2 ExposeProtoCasing', '2 ExposeProtoCasing', '2 ExposeProtoCasing'],
  },
  {
    about: 'ExposeInvalidFormat',
    text: ['FROM scratch', 'EXPOSE 127.0.0.1:80:80 8080:80 80 90-91:80-81'],
    found: ['2 ExposeInvalidFormat', '2 ExposeInvalidFormat', '2 ExposeInvalidFormat'],
  },
  {
    about: 'check=skip for the file',
    text: ['# check=skip=MaintainerDeprecated,JSONArgsRecommended', 'FROM scratch', 'MAINTAINER x', 'CMD x', 'LABEL a b'],
    found: ['5 LegacyKeyValueFormat'],
  },
  {
    about: 'check=skip: names are told apart by case',
    text: ['# check=skip=maintainerdeprecated', 'FROM scratch', 'MAINTAINER x'],
    found: ['3 MaintainerDeprecated'],
  },
  {
    about: 'check=skip ends at a space',
    text: ['# check=skip=MaintainerDeprecated, JSONArgsRecommended', 'FROM scratch', 'MAINTAINER x', 'CMD x'],
    found: ['4 JSONArgsRecommended'],
  },
  {
    about: 'check=skip for one instruction, over blank lines',
    text: ['FROM scratch', '# check=skip=MaintainerDeprecated', 'MAINTAINER x', '# check=skip=all', '', 'CMD x', 'MAINTAINER y'],
    found: ['7 MaintainerDeprecated'],
  },
  {
    about: 'check=skip=all leaves what is experimental',
    text: ['# check=skip=all;experimental=all', '# x', 'FROM scratch AS foo', 'MAINTAINER x'],
    found: ['3 InvalidDefinitionDescription'],
  },
  {
    about: 'only the stages of the target are looked at',
    text: ['FROM scratch AS a', 'MAINTAINER x', 'FROM scratch AS b', 'CMD x'],
    options: { target: 'a' },
    found: ['2 MaintainerDeprecated'],
  },
];

for (const { about, text, options, found } of CASES) {
  void test(about, async () => {
    const heard: string[] = [];
    const all = options?.target === undefined ? { allStages: true } : {};
    const asked = buildGraph(
      parseDockerfile(`${text.join('\n')}\n`),
      {
        buildPlatform: AMD64,
        ...all,
        ...options,
        report: ({ rule, message, range }) => {
          const near = /did you mean \$?(\S+)\?/.exec(message)?.[1];
          heard.push(`${range.start.line} ${rule}${near === undefined ? '' : ` ${near}`}`);
        },
      },
      fakeResolver(),
    );
    // Some findings are of what then is a mistake.
    await asked.catch((error: unknown) => assert.ok(isSlipwayError(error, 'DOCKERFILE_INVALID'), String(error)));
    assert.deepEqual(heard.sort(), [...found].sort());
  });
}

void test('an array that is no JSON is told, and cured where it is plain what it means', async () => {
  const cured = async (array: string): Promise<string> => {
    const text = `FROM scratch\nCMD ${array}\n`;
    const { diagnostics } = await buildGraph(parseDockerfile(text), { buildPlatform: AMD64 }, fakeResolver());
    assert.match(diagnostics[0]?.hint ?? '', /^this is no JSON array, so a shell gets it/, array);
    return applyFixes(text, diagnostics).text.split('\n')[1] ?? '';
  };
  for (const array of ["['npm', 'start']", '["npm" "start"]', '["npm", "start",]', '[npm, start]', '["npm", "start"'])
    assert.equal(await cured(array), 'CMD ["npm", "start"]', array);
  assert.equal(await cured('[ "a\\b\' ]'), 'CMD [ "a\\b\' ]');
});
