// Express, bare or with express-openid-connect as its documentation has it. Arguments: the port, and "bare" or "guarded".
import express from 'express';

const [port, kind] = [Number(process.argv[2]), process.argv[3]];
const { BENCH_BASE_URL, BENCH_ISSUER, BENCH_CLIENT_ID, BENCH_CLIENT_SECRET } = process.env;
const app = express();

if (kind === 'bare') {
  app.get('/', (_request, response) => response.type('text').send('ada@example.com'));
} else {
  const { auth } = (await import('express-openid-connect')).default;
  app.use(auth({
    authRequired: true,
    issuerBaseURL: BENCH_ISSUER,
    baseURL: BENCH_BASE_URL,
    clientID: BENCH_CLIENT_ID,
    clientSecret: BENCH_CLIENT_SECRET,
    secret: 'benchmark-only-0123456789-abcdefghij',
    authorizationParams: { response_type: 'code', scope: 'openid profile email' },
    // By itself it keeps what the ID token says; the address comes from the UserInfo endpoint, as for all the others.
    async afterCallback(request, _response, session) {
      return { ...session, userinfo: await request.oidc.fetchUserInfo() };
    },
  }));
  app.get('/', (request, response) => response.type('text').send(request.appSession.userinfo.email));
}

app.listen(port, '127.0.0.1');
