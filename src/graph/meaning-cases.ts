// What Dockerfiles mean, one rule of the language to a row: for tests. BuildKit makes the same of each.

import type { GraphOptions } from './index.ts';

/** What is to be compared: members of the target's `config`, the texts of its history, `author`. */
export interface Meaning {
  readonly labels?: Readonly<Record<string, string>>;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly history?: readonly string[];
  readonly author?: string;
  /** Environment of the last RUN, without PATH. */
  readonly runEnv?: readonly string[];
}

export interface MeaningCase {
  readonly about: string;
  readonly text: string;
  readonly options?: Partial<GraphOptions>;
  readonly means: Meaning;
}

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function lines(...text: readonly string[]): string {
  return `${text.join('\n')}\n`;
}

function args(buildArgs: Readonly<Record<string, string>>): Partial<GraphOptions> {
  return { buildArgs };
}

const ARGUMENTS: readonly MeaningCase[] = [
  {
    about: 'global ARGs are seen by FROM alone; ARG without a value brings them into a stage',
    text: lines('ARG A=1', 'FROM scratch', 'LABEL before=[$A]', 'ARG A', 'LABEL after=[$A]'),
    means: { labels: { before: '[]', after: '[1]' } },
  },
  {
    about: 'a global default may refer to earlier ones and to the platform',
    text: lines('ARG A=1', 'ARG B=$A-$TARGETARCH-$BUILDOS', 'FROM scratch', 'ARG B', 'LABEL b=$B'),
    means: { labels: { b: '1-amd64-linux' } },
  },
  {
    about: 'a build argument changes what later global defaults refer to',
    text: lines('ARG A=1', 'ARG B=$A-2', 'FROM scratch', 'ARG B', 'LABEL b=$B'),
    options: args({ A: '9' }),
    means: { labels: { b: '9-2' } },
  },
  {
    about: 'a default of the stage goes before the global value',
    text: lines('ARG A=1', 'FROM scratch', 'ARG A=5', 'LABEL a=$A'),
    means: { labels: { a: '5' } },
  },
  {
    about: 'a build argument goes before both',
    text: lines('ARG A=1', 'FROM scratch', 'ARG A=5', 'LABEL a=$A'),
    options: args({ A: '7' }),
    means: { labels: { a: '7' }, history: ['ARG A=7', 'LABEL a=7'] },
  },
  {
    about: 'an empty build argument is a value, none is not',
    text: lines('FROM scratch', 'ARG A B', 'LABEL a=[${A-unset}] b=[${B-unset}]'),
    options: args({ A: '' }),
    means: { labels: { a: '[]', b: '[unset]' }, history: ['ARG A= B', 'LABEL a=[] b=[unset]'] },
  },
  {
    about: 'of ARG and ENV the later one counts, here and in what stands on the stage',
    text: lines('FROM scratch AS p', 'ARG A=arg', 'ENV A=env', 'ENV B=env', 'ARG B=arg', 'LABEL a=$A b=$B', 'FROM p', 'LABEL c=$A$B'),
    options: args({ A: 'given' }),
    means: { labels: { a: 'env', b: 'arg', c: 'envenv' }, config: { Env: [PATH, 'A=env', 'B=env'] } },
  },
  {
    about: 'ARGs of a stage reach those built on it; RUN sees them, the config does not',
    text: lines('FROM busybox AS p', 'ARG A=1', 'ARG B', 'FROM p', 'ARG C=3', 'RUN x'),
    means: {
      runEnv: ['A=1', 'C=3'],
      config: { Env: [PATH] },
      history: ['busybox', 'ARG A=1', 'ARG B', 'ARG C=3', 'RUN |3 A=1 B= C=3 /bin/sh -c x # buildkit'],
    },
  },
  {
    about: 'an ARG that is declared again is told once, with its last value',
    text: lines('FROM busybox', 'ARG A=1', 'ARG B=2', 'ARG A=3', 'RUN x'),
    means: { history: ['busybox', 'ARG A=1', 'ARG B=2', 'ARG A=3', 'RUN |2 A=3 B=2 /bin/sh -c x # buildkit'] },
  },
  {
    about: 'the platform’s arguments want an ARG, and give way to build arguments and defaults',
    text: lines(
      'FROM scratch',
      'LABEL none=[$TARGETOS]',
      'ARG TARGETARCH TARGETOS=mine TARGETVARIANT',
      'LABEL a=$TARGETARCH o=$TARGETOS v=[$TARGETVARIANT]',
    ),
    options: args({ TARGETARCH: 'given' }),
    means: { labels: { none: '[]', a: 'given', o: 'mine', v: '[]' } },
  },
  {
    about: 'versions and variants that a platform has not are empty',
    text: lines(
      'FROM scratch',
      'ARG TARGETOSVERSION BUILDOSVERSION BUILDVARIANT=x',
      'LABEL v=[$TARGETOSVERSION$BUILDOSVERSION$BUILDVARIANT]',
    ),
    means: { labels: { v: '[x]' } },
  },
  {
    about: 'TARGETSTAGE is the last stage’s name',
    text: lines('FROM scratch AS one', 'FROM scratch AS two', 'ARG TARGETSTAGE', 'LABEL s=$TARGETSTAGE'),
    means: { labels: { s: 'two' } },
  },
  {
    about: 'TARGETSTAGE is what was asked for, as it was written',
    text: lines('FROM scratch AS one', 'ARG TARGETSTAGE', 'LABEL s=$TARGETSTAGE', 'FROM scratch'),
    options: { target: 'ONE' },
    means: { labels: { s: 'ONE' } },
  },
  {
    about: 'TARGETSTAGE is "default" where the last stage has no name',
    text: lines('FROM scratch', 'ARG TARGETSTAGE', 'LABEL s=$TARGETSTAGE'),
    means: { labels: { s: 'default' } },
  },
  {
    about: 'proxies are variables of RUN without ARG, in any case, and in no history',
    text: lines('FROM busybox', 'RUN x'),
    options: args({ HtTp_PrOxY: 'h' }),
    means: { runEnv: [], history: ['busybox', 'RUN /bin/sh -c x # buildkit'] },
  },
  {
    about: 'a proxy that is declared is an argument like any other',
    text: lines('FROM busybox', 'ARG HTTP_PROXY', 'RUN x'),
    options: args({ HTTP_PROXY: 'h' }),
    means: { runEnv: ['HTTP_PROXY=h'], history: ['busybox', 'ARG HTTP_PROXY=h', 'RUN |1 HTTP_PROXY=h /bin/sh -c x # buildkit'] },
  },
  {
    about: 'build arguments that nobody declares do nothing',
    text: lines('FROM scratch', 'LABEL a=[$A]'),
    options: args({ A: '1', BUILDKIT_BUILD_NAME: 'x' }),
    means: { labels: { a: '[]' } },
  },
];

const EXPANSION: readonly MeaningCase[] = [
  {
    about: 'all words of an instruction see the variables as they were before it',
    text: lines('FROM scratch', 'ENV a=1', 'ENV a=2 b=$a', 'ARG x=1', 'ARG x=2 y=$x', 'LABEL a=$a b=$b x=$x y=$y'),
    means: { labels: { a: '2', b: '1', x: '2', y: '2' } },
  },
  {
    about: 'names are expanded too, of ENV and LABEL; not of ARG',
    text: lines('FROM scratch', 'ENV K=key', 'ENV ${K}_x=1', 'ARG $K=2', 'LABEL $K.l="$key_x" "${K} y"=[$key]'),
    means: { labels: { 'key.l': '1', 'key y': '[]' }, config: { Env: [PATH, 'K=key', 'key_x=1'] } },
  },
  {
    about: 'EXPOSE makes several words of a value; VOLUME, USER, WORKDIR and STOPSIGNAL do not',
    text: lines(
      'FROM scratch',
      'ENV P="80 81/udp" D="/a b" U=1:2 S=SIGQUIT',
      'EXPOSE $P 9-10',
      'VOLUME $D ["$D/json"]',
      'VOLUME ["$D/json"]',
      'USER $U',
      'WORKDIR $D/w',
      'STOPSIGNAL $S',
    ),
    means: {
      config: {
        ExposedPorts: { '80/tcp': {}, '81/udp': {}, '9/tcp': {}, '10/tcp': {} },
        Volumes: { '/a b': {}, '[/a b/json]': {}, '/a b/json': {} },
        User: '1:2',
        WorkingDir: '/a b/w',
        StopSignal: 'SIGQUIT',
      },
    },
  },
  {
    about: 'commands, SHELL, HEALTHCHECK and MAINTAINER keep their dollars',
    text: lines(
      'FROM scratch',
      'ENV V=val',
      'SHELL ["/bin/sh","$V"]',
      'HEALTHCHECK CMD x $V',
      'CMD c $V',
      'ENTRYPOINT ["$V"]',
      'MAINTAINER $V',
    ),
    means: {
      author: '$V',
      config: { Shell: ['/bin/sh', '$V'], Cmd: ['/bin/sh', '$V', 'c $V'], Entrypoint: ['$V'] },
      history: [
        'ENV V=val',
        'SHELL [/bin/sh $V]',
        'HEALTHCHECK {Test:[CMD-SHELL x $V] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}',
        'CMD ["/bin/sh" "$V" "c $V"]',
        'ENTRYPOINT ["$V"]',
        'MAINTAINER $V',
      ],
    },
  },
  {
    about: 'a trigger is expanded where it runs',
    text: lines('FROM scratch AS p', 'ENV A=1', 'ONBUILD LABEL x=$A$B', 'FROM p', 'ENV B=late', 'FROM p', 'LABEL y=$B'),
    means: { labels: { x: '1', y: '' } },
  },
  {
    about: 'old-style values keep their spaces, and lose their quotes',
    text: lines('FROM scratch', 'ENV a b  c=d "e"', 'LABEL k  $a'),
    means: { labels: { k: 'b  c=d e' }, config: { Env: [PATH, 'a=b  c=d e'] } },
  },
  {
    about: 'quotes and escapes inside a value',
    text: lines('FROM scratch', 'LABEL a="b c"d e=f\\ g h=\'i "j"\' k="l \\"m\\"" n="\\$a" o=\\$a p= q=""'),
    means: { labels: { a: 'b cd', e: 'f g', h: 'i "j"', k: 'l "m"', n: '$a', o: '$a', p: '', q: '' } },
  },
  {
    about: 'the escape directive counts in every instruction but in the text of RUN',
    text: lines('# escape=`', 'FROM busybox', 'ENV v=1', 'LABEL a=`$v b="x`"y" c=C:\\dir `', '  d=joined', 'RUN echo a`b \\$v'),
    means: {
      labels: { a: '$v', b: 'x"y', c: 'C:\\dir', d: 'joined' },
      history: ['busybox', 'ENV v=1', 'LABEL a=$v b=x"y c=C:\\dir d=joined', 'RUN /bin/sh -c echo a`b \\$v # buildkit'],
    },
  },
];

const CONFIG: readonly MeaningCase[] = [
  {
    about: 'a stage on a stage has all of its config, its author and history; triggers run and are gone',
    text: lines(
      'FROM scratch AS p',
      'ENV A=1',
      'USER 1:2',
      'LABEL l=1',
      'EXPOSE 1',
      'VOLUME /v',
      'STOPSIGNAL SIGINT',
      'HEALTHCHECK --retries=2 CMD x',
      'SHELL ["/bin/zsh","-c"]',
      'CMD ["c"]',
      'ENTRYPOINT ["e"]',
      'MAINTAINER m',
      'ONBUILD LABEL on=build',
      'FROM p',
    ),
    means: {
      author: 'm',
      labels: { l: '1', on: 'build' },
      config: {
        Env: [PATH, 'A=1'],
        User: '1:2',
        ExposedPorts: { '1/tcp': {} },
        Volumes: { '/v': {} },
        StopSignal: 'SIGINT',
        Shell: ['/bin/zsh', '-c'],
        Entrypoint: ['e'],
        OnBuild: undefined,
        Healthcheck: { Test: ['CMD-SHELL', 'x'], Interval: 0, Timeout: 0, StartPeriod: 0, StartInterval: 0, Retries: 2 },
      },
      history: [
        'ENV A=1',
        'USER 1:2',
        'LABEL l=1',
        'EXPOSE [1/tcp]',
        'VOLUME [/v]',
        'STOPSIGNAL SIGINT',
        'HEALTHCHECK {Test:[CMD-SHELL x] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:2}',
        'SHELL [/bin/zsh -c]',
        'CMD ["c"]',
        'ENTRYPOINT ["e"]',
        'MAINTAINER m',
        'LABEL on=build',
      ],
    },
  },
  {
    about: 'an image from nothing',
    text: 'FROM scratch\n',
    means: { config: { Env: [PATH], WorkingDir: '/', Cmd: undefined, Entrypoint: undefined }, history: [] },
  },
  {
    about: 'ENTRYPOINT takes the base’s CMD away',
    text: lines('FROM busybox', 'ENTRYPOINT ["e"]'),
    means: { config: { Entrypoint: ['e'], Cmd: undefined } },
  },
  {
    about: 'ENTRYPOINT leaves a CMD of its own stage',
    text: lines('FROM busybox', 'CMD ["c"]', 'ENTRYPOINT ["e"]'),
    means: { config: { Entrypoint: ['e'], Cmd: ['c'], ArgsEscaped: true } },
  },
  {
    about: 'an earlier stage is a base like any other',
    text: lines('FROM busybox AS p', 'CMD ["c"]', 'FROM p', 'ENTRYPOINT ["e"]'),
    means: { config: { Entrypoint: ['e'], Cmd: undefined } },
  },
  { about: 'CMD [] is no command', text: lines('FROM busybox', 'CMD []'), means: { config: { Cmd: [] }, history: ['busybox', 'CMD []'] } },
  {
    about: 'JSON that is none is a shell’s text',
    text: lines('FROM scratch', 'CMD [\'a\', "b"]', 'ENTRYPOINT ["x"] y'),
    means: { config: { Cmd: ['/bin/sh', '-c', '[\'a\', "b"]'], Entrypoint: ['/bin/sh', '-c', '["x"] y'] } },
  },
  {
    about: 'flags of ARG, STOPSIGNAL and HEALTHCHECK NONE are passed over',
    text: lines('FROM scratch', 'ARG --foo a=1', 'STOPSIGNAL --bar SIGINT', 'HEALTHCHECK --baz NONE', 'LABEL a=$a'),
    means: { labels: { a: '1' }, config: { StopSignal: 'SIGINT' } },
  },
  {
    about: 'the name of a base is taken as it is: stages are called in lower case',
    text: lines('FROM scratch AS Base', 'LABEL a=1', 'FROM base', 'LABEL b=2'),
    means: { labels: { a: '1', b: '2' } },
  },
  {
    about: 'of two stages with one name the last one so far is meant',
    text: lines('FROM scratch AS x', 'LABEL of=first', 'FROM x AS x', 'LABEL more=1', 'FROM x'),
    means: { labels: { of: 'first', more: '1' } },
  },
  {
    about: 'labels of the command line come last',
    text: lines('FROM scratch', 'LABEL a=file b=file'),
    options: { labels: { a: 'given' } },
    means: { labels: { a: 'given', b: 'file' }, history: ['LABEL a=file b=file'] },
  },
];

const LEXICAL: readonly MeaningCase[] = [
  {
    about: 'keywords in any case',
    text: lines(
      'from scratch as b',
      'aRg a=1',
      'env e=$a',
      'label l=$e',
      'user 0',
      'expose 80',
      'volume /v',
      'stopsignal SIGTERM',
      'healthcheck none',
      'shell ["/bin/sh","-c"]',
      'entrypoint ["x"]',
      'cmd ["y"]',
      'maintainer me',
      'onbuild run x',
    ),
    means: { labels: { l: '1' }, author: 'me', config: { OnBuild: ['run x'], Entrypoint: ['x'], Cmd: ['y'] } },
  },
  {
    about: 'three escapes at the end of a line continue nothing',
    text: 'FROM scratch\nLABEL a=b\\\\\\\nLABEL c=d\n',
    means: { labels: { a: 'b\\', c: 'd' } },
  },
  { about: 'a continuation in the middle of a word', text: 'FROM scr\\\natch\nLA\\\nBEL a=b\n', means: { labels: { a: 'b' } } },
  { about: 'a continuation at the end of the file', text: 'FROM scratch\nLABEL a=b \\\n# and a comment', means: { labels: { a: 'b' } } },
  { about: 'space behind the escape', text: 'FROM scratch\nLABEL a=b \\  \t\n  c=d\n', means: { labels: { a: 'b', c: 'd' } } },
  {
    about: 'any white space between words',
    text: 'FROM\tscratch\nLABEL\t\ta=b\t\tc=d\n\f LABEL e=f\n',
    means: { labels: { a: 'b', c: 'd', e: 'f' } },
  },
  ...(
    [
      ['at the top', '# escape=`\n', 'bc'],
      ['in any case, with any space', '#\tEsCaPe\t=\t`\t\n', 'bc'],
      ['behind another directive', '# check=skip=all\n# escape=`\n', 'bc'],
      ['indented', '  # escape=`\n', 'bc'],
      ['behind a blank line', '\n# escape=`\n', undefined],
      ['behind a comment', '# words\n# escape=`\n', undefined],
      ['behind a directive that nobody knows', '# foo=bar\n# escape=`\n', undefined],
    ] as const
  ).map(([where, head, joined]): MeaningCase => ({
    about: `the escape directive ${where}`,
    text: `${head}FROM scratch\n${joined === undefined ? 'LABEL a=b\\\nd\n' : 'LABEL a=b`\nc\n'}`,
    means: { labels: { a: joined ?? 'bd' } },
  })),
];

/** All of them. */
export const MEANINGS: readonly MeaningCase[] = [...ARGUMENTS, ...EXPANSION, ...CONFIG, ...LEXICAL];
