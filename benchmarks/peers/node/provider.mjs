// The provider of the benchmark: npm's oidc-provider. Not all peers can PKCE, and not all renew tokens, so it asks for neither.
// Arguments: the port, and a JSON array of clients (dynamic registration's names).
import Provider from 'oidc-provider';

const [port, clients] = [Number(process.argv[2]), JSON.parse(process.argv[3])];
const day = 24 * 60 * 60;

const provider = new Provider(`http://localhost:${port}`, {
  clients,
  pkce: { required: () => false },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
  async findAccount(_context, id) {
    return {
      accountId: id,
      claims: async () => ({ sub: id, preferred_username: id, name: 'Ada Lovelace', email: `${id}@example.com`, email_verified: true }),
    };
  },
  cookies: { keys: ['benchmark only'] },
  ttl: { AccessToken: day, IdToken: day, Session: day, Grant: day },
  features: { devInteractions: { enabled: true }, userinfo: { enabled: true } },
});

for (const event of ['server_error', 'authorization.error', 'grant.error', 'userinfo.error']) {
  provider.on(event, (_context, error) => console.log(event, error?.error, error?.error_description ?? '', error?.error_detail ?? error?.stack ?? ''));
}

provider.listen(port, 'localhost', () => console.log('ready'));
