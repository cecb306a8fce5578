//! A server that says what a test wants it to: for answers that no real server at hand gives.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A listener that answers each command with the bytes that a function makes of its words.
pub struct Fake {
    /// Where it listens.
    pub port: u16,
    connections: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Fake {
    /// Begins to listen.
    pub fn answering(answer: impl Fn(&[String]) -> Vec<u8> + Send + Sync + 'static) -> Fake {
        Fake::of(move |words, _| answer(words))
    }

    /// The function is given the words as text, and as the bytes that they are.
    fn of(answer: impl Fn(&[String], &[Vec<u8>]) -> Vec<u8> + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (connections, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (answer, counter, list) = (Arc::new(answer), connections.clone(), asked.clone());
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                counter.fetch_add(1, Ordering::SeqCst);
                let (answer, list) = (answer.clone(), list.clone());
                std::thread::spawn(move || serve(client, &*answer, &list));
            }
        });
        Fake { port, connections, asked }
    }

    /// Stands before the server on `port`, and hands on to it what `answer` has no answer to.
    pub fn before(port: u16, answer: impl Fn(&[String]) -> Option<Vec<u8>> + Send + Sync + 'static) -> Fake {
        let server = Mutex::new(BufReader::new(TcpStream::connect(("127.0.0.1", port)).expect("the server listens")));
        Fake::of(move |words, bytes| {
            answer(words).unwrap_or_else(|| {
                let mut server = server.lock().expect("the server");
                server.get_mut().write_all(&super::encoded(bytes)).expect("a server");
                let mut reply = Vec::new();
                pass_on(&mut *server, &mut reply);
                reply
            })
        })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// How many have connected.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// What it was asked, in order.
    pub fn asked(&self) -> Vec<Vec<String>> {
        self.asked.lock().expect("the list").clone()
    }
}

fn serve(client: TcpStream, answer: &Answer, asked: &Mutex<Vec<Vec<String>>>) {
    let mut reader = BufReader::new(client.try_clone().expect("a socket"));
    let mut writer = client;
    while let Some(bytes) = command(&mut reader) {
        let words: Vec<String> = bytes.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        asked.lock().expect("the list").push(words.clone());
        if writer.write_all(&answer(&words, &bytes)).is_err() {
            return;
        }
    }
}

type Answer = dyn Fn(&[String], &[Vec<u8>]) -> Vec<u8>;

/// One whole reply.
fn pass_on(reader: &mut impl BufRead, reply: &mut Vec<u8>) {
    let begin = reply.len();
    reader.read_until(b'\n', reply).expect("a reply");
    let line = String::from_utf8_lossy(&reply[begin..]).trim_end().to_owned();
    let count = line.get(1..).and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
    match line.as_bytes().first() {
        Some(b'$') if !line.starts_with("$-") => {
            let from = reply.len();
            reply.resize(from + count + 2, 0);
            reader.read_exact(&mut reply[from..]).expect("a reply");
        }
        Some(b'*') => (0..count).for_each(|_| pass_on(reader, reply)),
        _ => {}
    }
}

fn command(reader: &mut impl BufRead) -> Option<Vec<Vec<u8>>> {
    let number = |reader: &mut dyn BufRead| -> Option<usize> {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        line.trim_end().get(1..)?.parse().ok()
    };
    let count = number(reader)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = number(reader)?;
        let mut word = vec![0; length + 2];
        reader.read_exact(&mut word).ok()?;
        word.truncate(length);
        words.push(word);
    }
    Some(words)
}

/// A list in RESP, of items that are in RESP already.
pub fn resp_list(items: &[Vec<u8>]) -> Vec<u8> {
    [format!("*{}\r\n", items.len()).into_bytes(), items.concat()].concat()
}

/// A text in RESP.
pub fn resp_text(text: &str) -> Vec<u8> {
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

/// A number in RESP.
pub fn resp_number(number: i64) -> Vec<u8> {
    format!(":{number}\r\n").into_bytes()
}
