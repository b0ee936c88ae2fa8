// The certified npm oidc-provider, as strict as it comes: PKCE for everybody, e-mail, name and groups at UserInfo only.
// Arguments: the port, and a JSON array of clients (dynamic registration's names).
import Provider from 'oidc-provider';

const [port, clients] = [Number(process.argv[2]), JSON.parse(process.argv[3])];

const people = {
  ada: { name: 'Ada Lovelace', email: 'ada@example.com', email_verified: true, groups: ['admins', 'engineering'] },
};

const provider = new Provider(`http://localhost:${port}`, {
  clients,
  pkce: { required: () => true },
  scopes: ['openid', 'offline_access'],
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'preferred_username'],
    groups: ['groups'],
  },
  async findAccount(_context, id) {
    return { accountId: id, claims: async () => ({ sub: id, preferred_username: id, ...people[id] }) };
  },
  cookies: { keys: ['interoperability tests only'] },
  // Apps with kept tokens ask again after half a minute; every refresh token is for one use, the second use revokes the grant.
  ttl: { AccessToken: 40 },
  rotateRefreshToken: true,
  // Its own guard against calls into private networks (an undici dispatcher) refuses loopback, which is all there is here.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  features: {
    backchannelLogout: { enabled: true },
    revocation: { enabled: true },
    devInteractions: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    userinfo: { enabled: true },
  },
});

for (const event of ['server_error', 'authorization.error', 'grant.error', 'userinfo.error', 'end_session.error']) {
  provider.on(event, (_context, error) => console.log(event, error?.error, error?.error_description ?? '', error?.error_detail ?? ''));
}

for (const event of ['backchannel.success', 'backchannel.error', 'refresh_token.consumed', 'refresh_token.destroyed', 'grant.revoked']) {
  provider.on(event, (_first, second) => console.log(event, second instanceof Error ? second.message : ''));
}

provider.listen(port, 'localhost', () => console.log('ready'));
