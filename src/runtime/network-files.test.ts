import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { hostAddress, hostsFile } from './network-files.ts';

test('host-gateway is where the step reaches the machine: its loopback where that is the step’s own is no such place', () => {
  const hosts = [
    { host: 'db', ip: '10.1.2.3' },
    { host: 'machine', ip: 'host-gateway' },
  ];
  assert.match(hostsFile('me', hosts, 'host'), /^10\.1\.2\.3\tdb\n127\.0\.0\.1\tmachine\n$/m);
  const outward = Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.flatMap(({ internal, family, address }) => (internal || family !== 'IPv4' ? [] : [address])),
  );
  assert.equal(hostsFile('me', hosts, 'path').endsWith(`10.1.2.3\tdb\n${hostAddress()}\tmachine\n`), true);
  assert.ok(outward.length === 0 ? hostAddress() === '127.0.0.1' : outward.includes(hostAddress()), hostAddress());
});
